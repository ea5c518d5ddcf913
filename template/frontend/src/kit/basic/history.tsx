import { type KeyboardEvent, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useBasic, useChatState } from "@/kit/basic/context";
import styles from "@/kit/basic/history.module.css";
import { IconButton } from "@/kit/basic/parts/parts";
import type { Thread } from "@/kit/basic/protocol";
import { fill } from "@/kit/words";

/** The person's conversations, over the one that is open. */
export function History() {
  const isOpen = useChatState((state) => state.isHistoryOpen);
  // Each time it opens, it starts without a search and at the newest conversation.
  return isOpen && <Panel />;
}

/** What a person does with a conversation in the list. `back`: they have done or left it. */
type Edit = { id: string; does: "rename" | "delete" | "back" };

function Panel() {
  const { session, words } = useBasic();
  const { threads, isLoading, hasFailed } = useChatState((state) => state.list);
  const [edit, setEdit] = useState<Edit | null>(null);
  const nav = useRef<HTMLElement>(null);
  const opener = useRef<Element>(null);
  useEffect(() => {
    opener.current ??= document.activeElement;
    nav.current?.focus();
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    // In the midst of a Chinese or Japanese word, Escape belongs to the keyboard.
    if (event.key !== "Escape" || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (edit && edit.does !== "back") return setEdit({ ...edit, does: "back" });
    session.hideHistory();
    if (opener.current instanceof HTMLElement) opener.current.focus();
  };
  // The row goes, and the focus must not go with it.
  const remove = (thread: Thread) => {
    setEdit(null);
    nav.current?.focus();
    session.deleteThread(thread);
  };
  return (
    <nav ref={nav} aria-label={words.history} tabIndex={-1} className={styles.history} onKeyDown={onKeyDown}>
      {threads.length > 0 && <List edit={edit} onEdit={setEdit} onDelete={remove} />}
      {hasFailed && <Failure />}
      {threads.length === 0 && !hasFailed && (
        <p role="status" className={styles.quiet}>
          {isLoading ? words.loading : words.noConversations}
        </p>
      )}
    </nav>
  );
}

function Failure() {
  const { session, words } = useBasic();
  return (
    <>
      <p role="status" className={styles.quiet}>
        {words.listFailed}
      </p>
      <button type="button" className={styles.more} onClick={() => session.listThreads()}>
        {words.tryAgainNow}
      </button>
    </>
  );
}

type Hands = { onEdit: (edit: Edit | null) => void; onDelete: (thread: Thread) => void };
type ListProps = Hands & { edit: Edit | null };

/** Somebody can have thousands of conversations, so only so many are drawn at first. */
const STEP = 100;

/** What the person searches for, how much of it is drawn, and the first row of what they have asked for last. */
type Shown = { wanted: string; count: number; first: number | null };

function List({ edit, ...hands }: ListProps) {
  const { session, words, locale } = useBasic();
  const { threads, isLoading, hasMore } = useChatState((state) => state.list);
  const openId = useChatState((state) => state.thread?.id);
  const [shown, setShown] = useState<Shown>({ wanted: "", count: STEP, first: null });
  const { wanted, count } = shown;
  const titles = useMemo(() => threads.map(({ title }) => plain(title || words.untitled)), [threads, words]);
  const ago = useMemo(() => agoIn(locale), [locale]);
  const part = plain(wanted.trim());
  const found = threads.filter((_, index) => titles[index]?.includes(part));
  const rows = useRef<HTMLUListElement>(null);
  // The button for more goes away, or is far from what it has brought.
  useLayoutEffect(() => {
    if (shown.first !== null) rows.current?.children[shown.first]?.querySelector("button")?.focus();
  }, [shown]);
  const search = (text: string) => {
    setShown({ wanted: text, count: STEP, first: null });
    hands.onEdit(null);
  };
  const left = found.length - count;
  const showMore = async () => {
    const first = Math.min(count, found.length);
    if (left <= 0) await session.listMore();
    // Meanwhile the person may have begun to search for something else.
    setShown((now) => (now === shown ? { wanted, count: first + STEP, first } : now));
  };
  return (
    <>
      <input
        type="search"
        aria-label={words.searchTitles}
        placeholder={words.searchTitles}
        className={styles.field}
        value={wanted}
        onChange={(event) => search(event.target.value)}
      />
      {found.length === 0 && (
        <p role="status" className={styles.quiet}>
          {words.noneFound}
        </p>
      )}
      <ul ref={rows}>
        {found.slice(0, count).map((thread) => (
          <li key={thread.id}>
            <Row
              {...hands}
              thread={thread}
              does={edit?.id === thread.id ? edit.does : null}
              isOpen={thread.id === openId}
              date={ago(thread.created_at)}
            />
          </li>
        ))}
      </ul>
      {(left > 0 || hasMore) && (
        <button
          type="button"
          className={styles.more}
          aria-disabled={isLoading || undefined}
          onClick={() => !isLoading && showMore()}
        >
          {left > 0 ? fill(words.showMore, { count: Math.min(STEP, left) }) : words.moreConversations}
        </button>
      )}
    </>
  );
}

type RowProps = Hands & {
  thread: Thread;
  does: Edit["does"] | null;
  isOpen: boolean;
  date: string;
};

function Row({ thread, does, isOpen, date, onEdit, onDelete }: RowProps) {
  const { session, options, words } = useBasic();
  const { showRename, showDelete } = options.history ?? {};
  const { id } = thread;
  const title = thread.title || words.untitled;
  const goBack = () => onEdit({ id, does: "back" });
  if (does === "rename") return <Rename thread={thread} onEnd={goBack} />;
  if (does === "delete") return <Delete title={title} onConfirm={() => onDelete(thread)} onCancel={goBack} />;
  return (
    <>
      <div className={styles.about}>
        <button
          ref={does === "back" ? focus : undefined}
          type="button"
          dir="auto"
          title={title}
          aria-current={isOpen ? "true" : undefined}
          className={styles.title}
          onClick={() => session.setThreadId(id)}
        >
          {title}
        </button>
        {/* In the button, the date would be a part of its name. */}
        {date && <time dateTime={thread.created_at}>{date}</time>}
      </div>
      {showRename && (
        <IconButton
          label={fill(words.rename, { title })}
          icon="pencil"
          onClick={() => onEdit({ id, does: "rename" })}
        />
      )}
      {showDelete && (
        <IconButton
          label={fill(words.delete, { title })}
          icon="trash"
          onClick={() => onEdit({ id, does: "delete" })}
        />
      )}
    </>
  );
}

function Rename({ thread, onEnd }: { thread: Thread; onEnd: () => void }) {
  const { session, words } = useBasic();
  const [title, setTitle] = useState(thread.title ?? "");
  const save = async () => {
    const chosen = title.trim();
    // The form stays until the list has the new title, so that the old one does not come back for a moment.
    if (chosen && chosen !== thread.title) await session.rename(thread, chosen);
    onEnd();
  };
  return (
    <form
      className={styles.edit}
      onSubmit={(event) => {
        event.preventDefault();
        save();
      }}
    >
      <input
        ref={select}
        dir="auto"
        autoComplete="off"
        aria-label={words.newTitle}
        className={styles.field}
        value={title}
        onChange={(event) => setTitle(event.target.value)}
      />
      <button type="submit" className={styles.main}>
        {words.save}
      </button>
      <button type="button" onClick={onEnd}>
        {words.cancel}
      </button>
    </form>
  );
}

type DeleteProps = { title: string; onConfirm: () => void; onCancel: () => void };

function Delete({ title, onConfirm, onCancel }: DeleteProps) {
  const { words } = useBasic();
  return (
    <fieldset className={styles.edit} aria-label={fill(words.delete, { title })}>
      <p>{words.confirmDelete}</p>
      <button ref={focus} type="button" className={styles.danger} onClick={onConfirm}>
        {words.confirm}
      </button>
      <button type="button" onClick={onCancel}>
        {words.cancel}
      </button>
    </fieldset>
  );
}

function focus(element: HTMLElement | null): void {
  element?.focus();
}

function select(field: HTMLInputElement | null): void {
  field?.focus();
  field?.select();
}

/** Returns what a search compares: “Ärger” is found by “arg”. */
function plain(text: string): string {
  return text
    .normalize("NFKD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();
}

const UNITS = [
  ["year", 365 * 86_400],
  ["month", 30 * 86_400],
  ["week", 7 * 86_400],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
] as const;

/** Returns what says how long ago a time was, such as “2 days ago”. Of an unknown time it says nothing. */
function agoIn(locale: string): (time: string | undefined) => string {
  const exact = new Intl.RelativeTimeFormat(locale);
  const now = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(0, "second");
  return (time) => {
    const seconds = (Date.now() - Date.parse(time ?? "")) / 1000;
    if (Number.isNaN(seconds)) return "";
    const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? [];
    // The clocks of the server and the browser differ a little, so what is new can be from the future.
    return unit ? exact.format(-Math.floor(seconds / size), unit) : now;
  };
}
