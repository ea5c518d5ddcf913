import type { Entity, Widgets } from "@openai/chatkit";
import { type ReactNode, type RefObject, useEffect, useId, useRef, useState } from "react";
import { useBasic } from "@/kit/basic/context";
import styles from "@/kit/basic/items/items.module.css";
import { chatkitIcon, Icon } from "@/kit/basic/parts/icons";
import { entityOf, numbered } from "@/kit/basic/parts/markdown";
import { SafeLink, withoutOverrides } from "@/kit/basic/parts/parts";
import type { Annotation, Source } from "@/kit/basic/protocol";
import { WidgetRoot } from "@/kit/basic/widget/widget";

/** The sources of an answer, each with the number by which the answer refers to it. */
export function Sources({ annotations }: { annotations: readonly Annotation[] }) {
  const { words } = useBasic();
  const sources = numbered(annotations);
  if (!sources.length) return null;
  return (
    <ol aria-label={words.sources} className={styles.sources}>
      {sources.map(({ source, number }) => (
        <li key={number}>
          <span className={styles.number}>{number}</span>
          <SourceView source={source} />
        </li>
      ))}
    </ol>
  );
}

/** Sources to which nothing refers by a number. */
export function SourceList({ sources }: { sources: readonly Source[] }) {
  const { words } = useBasic();
  if (!sources.length) return null;
  return (
    <ul aria-label={words.sources} className={styles.sources}>
      {sources.map((source, index) => {
        const key = `${index}`;
        return (
          <li key={key}>
            <SourceView source={source} />
          </li>
        );
      })}
    </ul>
  );
}

function SourceView({ source }: { source: Source }) {
  switch (source.type) {
    case "url":
      return (
        <SafeLink href={source.url} className={styles.source}>
          <Title text={source.title} note={source.attribution || hostOf(source.url)} />
        </SafeLink>
      );
    case "file":
      return (
        <span className={styles.source}>
          <Icon name="document" />
          <Title text={source.title} note={source.filename} />
        </span>
      );
    case "entity":
      return (
        <EntityButton entity={entityOf(source)} className={styles.source}>
          {source.icon && <Icon name={chatkitIcon(source.icon)} />}
          <Title text={source.title} note={source.label ?? ""} />
        </EntityButton>
      );
    default: // a newer server may send more
      return null;
  }
}

function Title({ text, note }: { text: string; note: string }) {
  return (
    <>
      <bdi className={styles.sourceTitle}>{withoutOverrides(text || note)}</bdi>
      {text && note !== text && <bdi className={styles.sourceNote}>{withoutOverrides(note)}</bdi>}
    </>
  );
}

function hostOf(url: string): string {
  return URL.parse(url)?.hostname.replace(/^www\./, "") ?? "";
}

type EntityButtonProps = { entity: Entity; className: string | undefined; children: ReactNode };

/** The name of an entity. If the page can do something with it, it is a button, and has a preview. */
export function EntityButton({ entity, className, children }: EntityButtonProps) {
  const { options } = useBasic();
  const { onClick, onRequestPreview } = options.entities ?? {};
  const { preview, show, hideSoon, hide, keep } = usePreview(entity, onRequestPreview);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  if (!entity.interactive || !(onClick || onRequestPreview)) {
    return <span className={className}>{children}</span>;
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the preview stays while the pointer is on it
    <span onPointerEnter={keep} onPointerLeave={hideSoon} onFocus={show} onBlur={hideSoon}>
      <button
        ref={button}
        type="button"
        className={className}
        aria-describedby={preview ? id : undefined}
        onPointerEnter={({ pointerType }) => pointerType === "mouse" && show()}
        onClick={() => onClick?.(entity)}
      >
        {children}
      </button>
      {preview && <Preview id={id} widget={preview} anchor={button} onHide={hide} />}
    </span>
  );
}

/** How long a preview stays, so that a pointer can move onto it. */
const STAY_MS = 250;

type RequestPreview = (entity: Entity) => Promise<{ preview: Widgets.BasicRoot | null }>;

function usePreview(entity: Entity, request: RequestPreview | undefined) {
  const [preview, setPreview] = useState<Widgets.BasicRoot | null>(null);
  const isWanted = useRef(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const keep = () => clearTimeout(timer.current);
  const hide = () => {
    keep();
    isWanted.current = false;
    setPreview(null);
  };
  const hideSoon = () => {
    keep();
    timer.current = setTimeout(hide, STAY_MS);
  };
  const show = () => {
    keep();
    if (isWanted.current || !request) return;
    isWanted.current = true;
    request(entity).then(
      (found) => isWanted.current && setPreview(found.preview),
      (error) => {
        isWanted.current = false;
        console.error("The preview of an entity:", error);
      },
    );
  };
  return { preview, show, hideSoon, hide, keep };
}

type PreviewProps = {
  id: string;
  widget: Widgets.BasicRoot;
  anchor: RefObject<HTMLElement | null>;
  onHide: () => void;
};

/** Shows what an entity is, beside its name. The browser closes it at Esc or a click elsewhere. */
function Preview({ id, widget, anchor, onHide }: PreviewProps) {
  const { session } = useBasic();
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (element.current && anchor.current) place(element.current, anchor.current);
  }, [anchor]);
  return (
    <div
      ref={element}
      id={id}
      role="tooltip"
      popover="auto"
      className={styles.preview}
      onToggle={({ newState }) => newState === "closed" && onHide()}
    >
      <WidgetRoot widget={widget} act={(action) => session.actInPreview(action, widget)} />
    </div>
  );
}

/** Opens a popover below its anchor, or above it where there is more space. */
function place(popover: HTMLElement, anchor: HTMLElement): void {
  if (!popover.matches(":popover-open")) popover.showPopover();
  const { top, bottom, left } = anchor.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const isAbove = clientHeight - bottom < popover.offsetHeight && top > clientHeight - bottom;
  Object.assign(popover.style, {
    left: `${Math.max(0, Math.min(left, clientWidth - popover.offsetWidth))}px`,
    ...(isAbove ? { bottom: `${clientHeight - top}px` } : { top: `${bottom}px` }),
    maxHeight: `${isAbove ? top : clientHeight - bottom}px`,
  });
}
