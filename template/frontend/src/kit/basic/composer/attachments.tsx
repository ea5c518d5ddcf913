import {
  type ChangeEvent,
  type ReactNode,
  type Ref,
  type RefObject,
  useEffect,
  useRef,
  useState,
} from "react";
import styles from "@/kit/basic/composer/composer.module.css";
import { useBasic, useChatState } from "@/kit/basic/context";
import type { DraftFile } from "@/kit/basic/draft";
import { FileEntry, FileList } from "@/kit/basic/parts/files";
import { Icon } from "@/kit/basic/parts/icons";
import { Aloud, IconButton, Spinner, unseen } from "@/kit/basic/parts/parts";
import { fill } from "@/kit/words";

/** The files of the message that is being written, which the person can take out again. */
export function DraftFiles() {
  const { words } = useBasic();
  const files = useChatState(({ draft }) => draft.files);
  const uploading = files.filter(({ attachment }) => attachment === null);
  return (
    <>
      {files.length > 0 && (
        <FileList isDraft>
          {files.map((file) => (
            <DraftFileEntry key={file.key} file={file} />
          ))}
        </FileList>
      )}
      <Aloud>{uploading.map(({ name }) => fill(words.uploading, { name })).join(" ")}</Aloud>
    </>
  );
}

function DraftFileEntry({ file: { key, name, preview, attachment } }: { file: DraftFile }) {
  const { session, words } = useBasic();
  const remove = () => {
    // The button goes away with the file, and must not take the focus with it.
    session.composer?.focus();
    session.detach(key);
  };
  return (
    <FileEntry name={name} preview={preview} isBusy={attachment === null}>
      {attachment === null && <Spinner />}
      <IconButton
        label={fill(words.removeFile, { name })}
        icon="close"
        onClick={remove}
        className={styles.remove}
      />
    </FileEntry>
  );
}

/** The button that lets a person choose files, if the options allow files. */
export function FilePicker({ ref }: { ref?: Ref<HTMLInputElement> }) {
  const { session, options, words } = useBasic();
  const { enabled = false, accept = {} } = options.composer?.attachments ?? {};
  if (!enabled) return null;
  const pick = ({ currentTarget }: ChangeEvent<HTMLInputElement>) => {
    session.attach([...(currentTarget.files ?? [])]);
    // Otherwise nobody could choose the same file again after taking it out.
    currentTarget.value = "";
  };
  return (
    <label className={styles.button} title={words.attachFiles}>
      <Icon name="paperclip" />
      <span className={unseen}>{words.attachFiles}</span>
      <input
        ref={ref}
        type="file"
        multiple
        accept={Object.entries(accept).flat(2).join(",")}
        className={unseen}
        onChange={pick}
      />
    </label>
  );
}

/** Returns the files in a clipboard, unless its text is what the person means. */
export function pastedFiles({ types, files }: DataTransfer): File[] {
  // Office programs add a picture of the text that was copied.
  const isText = types.includes("text/plain") && types.includes("text/html");
  return isText ? [] : [...files];
}

/** Holds the chat. It takes the files that are dropped on it, and says so while they are above it. */
export function DropArea({ children }: { children: ReactNode }) {
  const { words } = useBasic();
  const area = useRef<HTMLDivElement>(null);
  const isOver = useDrop(area);
  return (
    <div ref={area} className={styles.area}>
      {children}
      {isOver && (
        <div className={styles.drop}>
          <p>
            <Icon name="paperclip" size="2em" />
            {words.dropFiles}
          </p>
        </div>
      )}
    </div>
  );
}

/** Attaches the files that are dropped on an element. Returns whether there are files above it now. */
function useDrop(area: RefObject<HTMLElement | null>): boolean {
  const { session, options } = useBasic();
  const isOpen = useChatState(({ thread }) => (thread?.status?.type ?? "active") === "active");
  const isEnabled = isOpen && (options.composer?.attachments?.enabled ?? false);
  const [isOver, setOver] = useState(false);

  useEffect(() => {
    const element = area.current;
    if (!element || !isEnabled) return;
    // A pointer enters one part of the element before it leaves another. It is outside when it
    // leaves the part that it has entered last.
    let entered: EventTarget | null = null;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      entered = event.target;
      setOver(true);
    };
    const leave = ({ target }: DragEvent) => {
      if (target === entered) setOver(false);
    };
    // Without this the browser would open the file in the place of the page.
    const allow = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      allow(event);
      setOver(false);
      if (event.dataTransfer?.files.length) session.attach([...event.dataTransfer.files]);
    };
    const listening = new AbortController();
    const { signal } = listening;
    element.addEventListener("dragenter", enter, { signal });
    element.addEventListener("dragleave", leave, { signal });
    element.addEventListener("dragover", allow, { signal });
    element.addEventListener("drop", drop, { signal });
    return () => {
      listening.abort();
      setOver(false);
    };
  }, [area, isEnabled, session]);

  return isOver;
}

function hasFiles({ dataTransfer }: DragEvent): boolean {
  return dataTransfer?.types.includes("Files") ?? false;
}
