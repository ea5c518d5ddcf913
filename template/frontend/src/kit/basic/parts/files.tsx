import type { Attachment } from "@openai/chatkit";
import type { ReactNode } from "react";
import { useBasic } from "@/kit/basic/context";
import { Icon } from "@/kit/basic/parts/icons";
import { Picture, withoutOverrides } from "@/kit/basic/parts/parts";
import styles from "@/kit/basic/parts/parts.module.css";

/** The files of a message that was sent. */
export function AttachmentList({ attachments }: { attachments: readonly Attachment[] }) {
  if (attachments.length === 0) return null;
  return (
    <FileList>
      {attachments.map((attachment) => (
        <FileEntry
          key={attachment.id}
          name={attachment.name}
          preview={attachment.type === "image" ? attachment.preview_url : null}
        />
      ))}
    </FileList>
  );
}

type ListProps = {
  /** Whether the message is still being written. Then its files are small. */
  isDraft?: boolean;
  children: ReactNode;
};

/** Holds the entries for the files of a message. */
export function FileList({ isDraft = false, children }: ListProps) {
  const { words } = useBasic();
  return (
    <ul className={styles.files} data-draft={isDraft || undefined} aria-label={words.attachments}>
      {children}
    </ul>
  );
}

type EntryProps = { name: string; preview: string | null; isBusy?: boolean; children?: ReactNode };

/** A file: an image as itself, another one as an icon with its name. What can be done with it follows. */
export function FileEntry({ name: given, preview, isBusy, children }: EntryProps) {
  const name = withoutOverrides(given);
  return (
    <li className={styles.file} aria-busy={isBusy}>
      {preview ? (
        <Picture src={preview} alt={name} className={styles.preview} />
      ) : (
        <span className={styles.named} title={name}>
          <Icon name="document" />
          <bdi className={styles.name}>{name}</bdi>
        </span>
      )}
      {children}
    </li>
  );
}
