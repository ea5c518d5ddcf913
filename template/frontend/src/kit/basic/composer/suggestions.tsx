import type { ChatKitIcon, Command, Entity } from "@openai/chatkit";
import {
  type KeyboardEvent,
  type RefObject,
  type TextareaHTMLAttributes,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { flushSync } from "react-dom";
import styles from "@/kit/basic/composer/composer.module.css";
import { useBasic, useChatState } from "@/kit/basic/context";
import type { Draft } from "@/kit/basic/draft";
import { chatkitIcon, Icon, type IconName } from "@/kit/basic/parts/icons";

/** What the composer itself can do, for the menu of commands. */
export type ComposerAction = { label: string; icon: IconName; run: () => void };

type Entry = {
  key: string;
  label: string;
  description?: string | undefined;
  icon?: IconName | undefined;
  group?: string | undefined;
  choose: () => void;
};

/** What is offered for a query at one place of the text, out of a command's own menu or of everything. */
type Found = { place: string; query: string; menu: readonly Command[] | null; entries: readonly Entry[] };

/** The entities or commands that are offered for what a person types. */
export type Suggestions = {
  /** Those that are shown. */
  entries: readonly Entry[];
  active: number;
  /** Whether they are those of an older query, and so can be chosen by nobody. */
  isOld: boolean;
  listId: string;
  choose: (entry: Entry) => void;
  /** What the text area says of the list. */
  fieldProps: TextareaHTMLAttributes<HTMLTextAreaElement>;
  /** Looks at what is typed now. */
  look: () => void;
  /** Does what a key does in an open list. Returns whether the key has done something. */
  press: (event: KeyboardEvent) => boolean;
  /** Begins to name an entity. */
  mention: () => void;
};

const PAUSE_MS = 150;

/** Offers entities after `@`, and commands after a `/` that begins the text. */
export function useSuggestions(
  field: RefObject<HTMLTextAreaElement | null>,
  actions: readonly ComposerAction[],
): Suggestions {
  const { session, options } = useBasic();
  const { entities, commands } = options;
  const text = useChatState(({ draft }) => draft.text);
  const [caret, setCaret] = useState<number | null>(null);
  const [menu, setMenu] = useState<readonly Command[] | null>(null);
  const [found, setFound] = useState<Found | null>(null);
  const [active, setActive] = useState(0);
  const [dismissed, setDismissed] = useState<string | null>(null);
  const listId = useId();

  const signs = `${entities?.onTagSearch ? "@" : ""}${commands?.enabled ? "/" : ""}`;
  const typed = caret === null ? null : typedAt(text, caret);
  const place = typed && signs.includes(typed.sign) ? `${typed.sign}${typed.start}` : null;
  const query = typed?.query ?? "";

  const search = async (sign: string): Promise<Entry[]> => {
    if (sign === "@") {
      const named = await orNothing(() => entities?.onTagSearch?.(query));
      return (named ?? []).map((entity) => entryOf(entity, entity.title, () => name(entity)));
    }
    const isMeant = ({ label }: { label: string }) => label.toLowerCase().includes(query.toLowerCase());
    const own = menu ? [] : actions.filter(isMeant).map((action) => actionEntry(action));
    const others = menu?.filter(isMeant) ?? (await orNothing(() => commands?.onSearch?.(query))) ?? [];
    return [...own, ...others.map((command) => entryOf(command, command.label, () => run(command)))];
  };
  const latest = useRef(search);
  latest.current = search;

  useEffect(() => {
    if (!place) return;
    let isLate = false;
    const timer = setTimeout(async () => {
      const entries = await latest.current(place.charAt(0));
      if (isLate) return;
      setFound({ place, query, menu, entries: byGroup(entries).flatMap(([, members]) => members) });
      setActive(0);
    }, PAUSE_MS);
    return () => {
      isLate = true;
      clearTimeout(timer);
    };
  }, [place, query, menu]);

  useEffect(() => {
    if (place) return;
    setFound(null);
    setMenu(null);
    setDismissed(null);
  }, [place]);

  /** Puts something into the text, and the caret behind it. */
  const put = (start: number, end: number, inserted: string, entity?: Entity) => {
    const { draft } = session.state;
    const after = start + inserted.length;
    const rest = draft.text.slice(end);
    const others = draft.tags.filter(({ id }) => id !== entity?.id);
    // The caret can move only when the text is there.
    flushSync(() => {
      session.write({
        text:
          draft.text.slice(0, start) + inserted + (inserted.endsWith(" ") ? rest.replace(/^ /, "") : rest),
        ...(entity && { tags: [...others, entity] }),
      });
      setCaret(after);
    });
    field.current?.focus();
    field.current?.setSelectionRange(after, after);
  };

  const position = () => field.current?.selectionStart ?? session.state.draft.text.length;

  /** Puts something in the place of what was typed to find it. */
  const replace = (inserted: string, entity?: Entity) => {
    const at = position();
    const { start, end } = typedAt(session.state.draft.text, at) ?? { start: at, end: at };
    put(start, end, inserted, entity);
  };

  const name = (entity: Entity) => {
    const title = titleIn(session.state.draft, entity);
    replace(`@${title} `, { ...entity, title });
  };

  const run = async (command: Command) => {
    replace("");
    const selection = await orNothing(() => commands?.onSelect?.(command));
    if (selection?.type === "entity") name(selection.entity);
    if (selection?.type !== "menu") return;
    setMenu(selection.commands);
    put(0, 0, "/");
  };

  const actionEntry = ({ label, icon, run }: ComposerAction): Entry => ({
    key: `own ${label}`,
    label,
    icon,
    choose: () => {
      replace("");
      run();
    },
  });

  const mention = () => {
    const at = position();
    const isApart = /(?:^|\s)$/.test(session.state.draft.text.slice(0, at));
    put(at, at, isApart ? "@" : " @");
  };

  const look = () => {
    const { selectionStart, selectionEnd } = field.current ?? {};
    setCaret(selectionStart !== undefined && selectionStart === selectionEnd ? selectionStart : null);
  };

  const isOpen = place !== null && found?.place === place && dismissed !== place;
  const entries = isOpen ? found.entries : [];
  const count = entries.length;
  // They stay in sight until the others come. A key that would choose one does nothing until then, or half
  // a name would be sent.
  const isOld = found?.query !== query || found.menu !== menu;
  const choose = (entry: Entry) => {
    if (!isOld) entry.choose();
  };

  const press = (event: KeyboardEvent): boolean => {
    const chosen = entries[active];
    if (!chosen || event.shiftKey || event.altKey || event.ctrlKey || event.metaKey) return false;
    if (event.key === "ArrowDown") setActive((active + 1) % count);
    else if (event.key === "ArrowUp") setActive((active + count - 1) % count);
    else if (event.key === "Enter" || event.key === "Tab") choose(chosen);
    else if (event.key === "Escape") setDismissed(place);
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  };

  const fieldProps = {
    ...(signs && ({ "aria-autocomplete": "list", "aria-haspopup": "listbox" } as const)),
    ...(count > 0 && { "aria-controls": listId, "aria-activedescendant": `${listId}-${active}` }),
    onSelect: look,
    onBlur: () => setCaret(null),
  };

  return { entries, active, isOld, listId, choose, fieldProps, look, press, mention };
}

/** The list of suggestions, above the text area. The text area keeps the focus and has the keys. */
export function SuggestionList({ suggestions }: { suggestions: Suggestions }) {
  const { words } = useBasic();
  const { entries, active, isOld, listId, choose } = suggestions;
  const list = useRef<HTMLDivElement>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another active entry is what it waits for
  useLayoutEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [active, entries]);

  if (entries.length === 0) return null;
  const option = (entry: Entry) => {
    const index = entries.indexOf(entry);
    return (
      // biome-ignore lint/a11y/useKeyWithClickEvents: the text area has the keys
      <div
        key={entry.key}
        id={`${listId}-${index}`}
        role="option"
        aria-selected={index === active}
        tabIndex={-1}
        className={styles.option}
        onClick={() => choose(entry)}
      >
        {entry.icon && <Icon name={entry.icon} />}
        <span>
          <bdi>{entry.label}</bdi>
          {entry.description && <small>{entry.description}</small>}
        </span>
      </div>
    );
  };
  return (
    <div
      ref={list}
      id={listId}
      role="listbox"
      aria-label={words.suggestions}
      aria-busy={isOld}
      tabIndex={-1}
      className={styles.suggestions}
      // A press must not take the focus from the text area.
      onMouseDown={(event) => event.preventDefault()}
    >
      {byGroup(entries).map(([group, members]) =>
        group ? (
          // biome-ignore lint/a11y/useSemanticElements: a listbox has groups, and no fieldsets
          <div key={group} role="group" aria-label={group}>
            <p className={styles.group} aria-hidden="true">
              {group}
            </p>
            {members.map(option)}
          </div>
        ) : (
          members.map(option)
        ),
      )}
    </div>
  );
}

/** Returns the title by which a text names an entity. Another one that it names may have the same title. */
export function titleIn({ text, tags }: Pick<Draft, "text" | "tags">, { id, title }: Entity): string {
  const isTaken = (name: string) =>
    tags.some((other) => other.id !== id && other.title === name && text.includes(`@${name}`));
  let name = tags.find((tag) => tag.id === id)?.title ?? title;
  for (let count = 2; isTaken(name); count++) name = `${title} (${count})`;
  return name;
}

type Typed = { sign: string; query: string; start: number; end: number };

/** Returns the `@word` before the caret, or the `/word` that begins the text. */
function typedAt(text: string, caret: number): Typed | null {
  const before = text.slice(0, caret);
  // An `@` within a word belongs to an address.
  const [found, sign = "", query = ""] =
    /^(\/)([^\s/]*)$/.exec(before) ?? /(?<![\w.+-])(@)([^\s@]*)$/.exec(before) ?? [];
  return found === undefined
    ? null
    : { sign, query, start: before.length - found.length, end: before.length };
}

function entryOf({ id, icon, group, ...rest }: Entity | Command, label: string, choose: () => void): Entry {
  return {
    key: `${group} ${id}`,
    label,
    description: "description" in rest ? rest.description : undefined,
    // The type of an entity takes any text for an icon.
    icon: icon ? chatkitIcon(icon as ChatKitIcon) : undefined,
    group,
    choose,
  };
}

/** Returns groups in the order in which they come first. */
function byGroup(entries: readonly Entry[]): [group: string, members: Entry[]][] {
  const groups = new Map<string, Entry[]>();
  for (const entry of entries) {
    const { group = "" } = entry;
    groups.set(group, [...(groups.get(group) ?? []), entry]);
  }
  return [...groups];
}

/** Calls a function of the owner. Its errors must not break the chat. */
async function orNothing<T>(ask: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    console.error(error);
    return undefined;
  }
}
