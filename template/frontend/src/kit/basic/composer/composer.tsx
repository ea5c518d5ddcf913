import type { ToolOption } from "@openai/chatkit";
import {
  type ChangeEvent,
  type ClipboardEvent,
  type FormEvent,
  type KeyboardEvent,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
} from "react";
import { DraftFiles, FilePicker, pastedFiles } from "@/kit/basic/composer/attachments";
import styles from "@/kit/basic/composer/composer.module.css";
import { type Dictation, useDictation } from "@/kit/basic/composer/dictation";
import { type ComposerAction, SuggestionList, useSuggestions } from "@/kit/basic/composer/suggestions";
import { useBasic, useChatState } from "@/kit/basic/context";
import { defaultModel, isReady } from "@/kit/basic/draft";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { Markdown } from "@/kit/basic/parts/markdown";
import { IconButton } from "@/kit/basic/parts/parts";
import type { Thread } from "@/kit/basic/protocol";
import type { Words } from "@/kit/words";

/** The form in which a person writes a message, adds files, and chooses a model and a tool. */
export function Composer() {
  const { session, options, words } = useBasic();
  const draft = useChatState((state) => state.draft);
  const isRunning = useChatState((state) => state.isRunning);
  const isLoading = useChatState((state) => state.isLoading);
  const closed = useChatState(({ thread }) => whyClosed(thread, words));
  const field = useRef<HTMLTextAreaElement>(null);
  const files = useRef<HTMLInputElement>(null);
  const reasonId = useId();
  const { attachments, dictation: dictationOption, tools } = options.composer ?? {};
  const tool = tools?.find(({ id }) => id === draft.toolId);
  const placeholder = tool?.placeholderOverride ?? options.composer?.placeholder ?? words.composerPlaceholder;

  const focus = () => field.current?.focus();
  const dictation = useDictation((said) => {
    const { text } = session.state.draft;
    session.write({ text: /(?:^|\s)$/.test(text) ? text + said : `${text} ${said}` });
    focus();
  });
  const actions: ComposerAction[] = [];
  if (attachments?.enabled) {
    actions.push({ label: words.attachFiles, icon: "paperclip", run: () => files.current?.click() });
  }
  if (dictationOption?.enabled) {
    actions.push({ label: words.dictate, icon: "microphone", run: dictation.start });
  }
  const suggestions = useSuggestions(field, actions);
  useFocus(field);
  useHeight(field, draft.text);
  useEffect(() => {
    // Nobody could stop it by its button.
    if (closed !== null) dictation.stop();
  });

  const canSend = !isRunning && !isLoading && dictation.phase === "idle" && isReady(draft);
  const send = () => {
    if (!canSend) return;
    session.submit();
    focus();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const write = ({ currentTarget }: ChangeEvent<HTMLTextAreaElement>) => {
    session.write({ text: currentTarget.value });
    suggestions.look();
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (isComposing(event) || suggestions.press(event)) return;
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    send();
  };
  const paste = (event: ClipboardEvent) => {
    const pasted = attachments?.enabled ? pastedFiles(event.clipboardData) : [];
    if (pasted.length === 0) return;
    event.preventDefault();
    session.attach(pasted);
  };

  return (
    <form className={styles.composer} onSubmit={submit}>
      {closed !== null && (
        <p id={reasonId} className={styles.line}>
          {closed}
        </p>
      )}
      <DictationLine dictation={dictation} />
      <fieldset className={styles.box} disabled={closed !== null}>
        <SuggestionList suggestions={suggestions} />
        <Quote />
        <DraftFiles />
        <textarea
          {...suggestions.fieldProps}
          ref={field}
          className={styles.field}
          rows={1}
          // An empty text has no direction of its own, so the placeholder has that of the chat.
          dir={draft.text ? "auto" : undefined}
          autoComplete="off"
          enterKeyHint="send"
          aria-label={placeholder}
          aria-describedby={closed === null ? undefined : reasonId}
          placeholder={placeholder}
          value={draft.text}
          onChange={write}
          onKeyDown={press}
          onPaste={paste}
        />
        <div className={styles.row}>
          <FilePicker ref={files} />
          {options.entities?.showComposerMenu && options.entities.onTagSearch && (
            <button
              type="button"
              className={styles.button}
              aria-label={words.mention}
              title={words.mention}
              onClick={suggestions.mention}
            >
              <span aria-hidden="true">@</span>
            </button>
          )}
          <Tools tools={tools ?? []} />
          <div className={styles.end}>
            <Models />
            {dictationOption?.enabled && <DictationButton dictation={dictation} />}
            <SendOrStop canSend={canSend} onStop={focus} />
          </div>
        </div>
      </fieldset>
      <Disclaimer />
    </form>
  );
}

/** Says why nobody can write in a conversation; null if one can. */
function whyClosed(thread: Thread | null, words: Words): string | null {
  const { type = "active", reason } = thread?.status ?? {};
  if (type === "active") return null;
  return reason || (type === "locked" ? words.threadLocked : words.threadClosed);
}

/** Whether a key belongs to an input method, which makes one character of several keys. */
function isComposing({ nativeEvent }: KeyboardEvent): boolean {
  // In Safari the key that ends it comes when it has ended. Its code still tells.
  return nativeEvent.isComposing || nativeEvent.keyCode === 229;
}

/** Lets the session focus the text area. */
function useFocus(field: RefObject<HTMLTextAreaElement | null>): void {
  const { session } = useBasic();
  useLayoutEffect(() => {
    const composer = { focus: () => field.current?.focus() };
    session.composer = composer;
    return () => {
      if (session.composer === composer) session.composer = null;
    };
  }, [session, field]);
}

/** Gives the text area the height of its text, in browsers whose CSS cannot. */
function useHeight(field: RefObject<HTMLTextAreaElement | null>, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the text is what has the height
  useLayoutEffect(() => {
    if (!field.current || CSS.supports("field-sizing", "content")) return;
    field.current.style.blockSize = "auto";
    field.current.style.blockSize = `${field.current.scrollHeight}px`;
  }, [field, text]);
}

function SendOrStop({ canSend, onStop }: { canSend: boolean; onStop: () => void }) {
  const { session, words } = useBasic();
  const mayStop = useChatState(({ isRunning, canStop }) => isRunning && canStop);
  const stop = () => {
    session.stop();
    onStop();
  };
  // The keys make them two elements, so that a long press on Send is never one on Stop.
  return mayStop ? (
    <button
      key="stop"
      type="button"
      className={styles.send}
      aria-label={words.stop}
      title={words.stop}
      onClick={stop}
    >
      <Icon name="stop" />
    </button>
  ) : (
    <button
      key="send"
      type="submit"
      className={styles.send}
      aria-label={words.send}
      title={words.send}
      disabled={!canSend}
    >
      <Icon name="send" />
    </button>
  );
}

/** The words to which the message replies. */
function Quote() {
  const { session, words } = useBasic();
  const quote = useChatState(({ draft }) => draft.quote);
  if (!quote) return null;
  const remove = () => {
    session.composer?.focus();
    session.write({ quote: null });
  };
  return (
    <div className={styles.quote}>
      <blockquote>
        <small>{words.reply}</small>
        <p dir="auto">{quote}</p>
      </blockquote>
      <IconButton label={words.removeReply} icon="close" onClick={remove} />
    </div>
  );
}

function Models() {
  const { session, options, words } = useBasic();
  const modelId = useChatState(({ draft }) => draft.modelId);
  const { models = [] } = options.composer ?? {};
  if (models.length === 0) return null;
  const chosen = models.find(({ id }) => id === modelId) ?? defaultModel(models);
  return (
    <select
      className={styles.select}
      aria-label={words.model}
      title={chosen?.description}
      value={chosen?.id}
      onChange={({ currentTarget }) => session.write({ modelId: currentTarget.value })}
    >
      {models.map(({ id, label, description, disabled }) => (
        <option key={id} value={id} disabled={disabled} title={description}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** Buttons for the tools that are pinned, and a list of the others. */
function Tools({ tools }: { tools: readonly ToolOption[] }) {
  const { session, words } = useBasic();
  const toolId = useChatState(({ draft }) => draft.toolId);
  const others = tools.filter(({ pinned }) => !pinned);
  return (
    <>
      {tools
        .filter(({ pinned }) => pinned)
        .map(({ id, label, shortLabel, icon }) => (
          <button
            key={id}
            type="button"
            className={styles.tool}
            aria-label={label}
            title={label}
            aria-pressed={id === toolId}
            onClick={() => session.chooseTool(id === toolId ? null : id)}
          >
            <Icon name={chatkitIcon(icon)} />
            {id === toolId && shortLabel ? shortLabel : label}
          </button>
        ))}
      {others.length > 0 && (
        <select
          className={styles.select}
          aria-label={words.tool}
          value={others.some(({ id }) => id === toolId) ? (toolId ?? "") : ""}
          onChange={({ currentTarget }) => session.chooseTool(currentTarget.value || null)}
        >
          <option value="">{words.noTool}</option>
          {others.map(({ id, label }) => (
            <option key={id} value={id}>
              {label}
            </option>
          ))}
        </select>
      )}
    </>
  );
}

function DictationButton({ dictation: { phase, start, stop } }: { dictation: Dictation }) {
  const { words } = useBasic();
  const isRecording = phase === "recording";
  return (
    <IconButton
      label={isRecording ? words.stopDictating : words.dictate}
      icon={isRecording ? "stop" : "microphone"}
      pressed={isRecording}
      disabled={!isRecording && phase !== "idle"}
      onClick={isRecording ? stop : start}
      className={isRecording ? styles.recording : undefined}
    />
  );
}

/** What there is to say about a dictation. */
function DictationLine({ dictation: { phase, problem } }: { dictation: Dictation }) {
  const { words } = useBasic();
  if (problem) {
    return (
      <p role="alert" className={styles.problem}>
        {problem}
      </p>
    );
  }
  return phase === "transcribing" ? (
    <p role="status" className={styles.line}>
      {words.transcribing}
    </p>
  ) : null;
}

function Disclaimer() {
  const { disclaimer } = useBasic().options;
  if (!disclaimer?.text) return null;
  return (
    <div className={styles.disclaimer} data-contrast={disclaimer.highContrast ? "high" : undefined}>
      <Markdown text={disclaimer.text} inline />
    </div>
  );
}
