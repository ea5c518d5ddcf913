import { Component, type CSSProperties, type ReactNode, useEffect, useState } from "react";
import { useBasic, useChatState } from "@/kit/basic/context";
import { Icon, type IconName } from "@/kit/basic/parts/icons";
import styles from "@/kit/basic/parts/parts.module.css";
import { BASE_PATH } from "@/kit/settings";
import { fill } from "@/kit/words";

/** Returns an address that a link of a model may have, or null. A relative one points into our own page. */
export function safeUrl(text: string): string | null {
  // Browsers ignore some white space in an address, so `java\nscript:` is a trick.
  if (/[\s\p{Cc}]/u.test(text) || !/^(?:https?|mailto|tel):/i.test(text)) return null;
  const url = parsed(text);
  // `https://our.bank@evil.example` leads elsewhere than it seems to.
  return url && !url.username && !url.password ? url.href : null;
}

function parsed(text: string, base?: string): URL | null {
  return URL.canParse(text, base) ? new URL(text, base) : null;
}

type LinkProps = {
  href: string;
  /** The accessible name, if the content does not say where the link leads. */
  label?: string | undefined;
  className?: string | undefined;
  children: ReactNode;
};

/** A link of a model or server. Of an address that is not safe, only the content remains. */
export function SafeLink({ href, label, className, children }: LinkProps) {
  const { session, words } = useBasic();
  const deeplink = deeplinkIn(href);
  if (deeplink) {
    const open = () => session.deeplink(deeplink.name, deeplink.data);
    return (
      <button type="button" className={className ?? styles.textLink} aria-label={label} onClick={open}>
        {children}
      </button>
    );
  }
  const address = safeUrl(href);
  if (!address) return children;
  return (
    <a
      className={className ?? styles.link}
      href={address}
      target="_blank"
      rel="noopener noreferrer nofollow"
      aria-label={label}
      title={`${address} (${words.opensElsewhere})`}
    >
      {children}
    </a>
  );
}

/** Returns what `chatkit-link://name?key=value` says; null for other addresses. */
function deeplinkIn(href: string): { name: string; data: Record<string, string> } | null {
  const [, name, query] = /^chatkit-link:\/\/([\w./-]+)(?:\?([^#]*))?(?:#.*)?$/.exec(href) ?? [];
  return name ? { name, data: Object.fromEntries(new URLSearchParams(query)) } : null;
}

/** Whether an image may be loaded without asking: it is here already, or its host is trusted. */
export function isOwnImage(src: string, allowedDomains: readonly string[]): boolean {
  // An SVG is a document rather than an image.
  if (/^data:image\/(?:png|jpeg|gif|webp|avif)[;,]/i.test(src)) return true;
  const page = pageOrigin();
  const url = parsed(src, page);
  if (!url) return false;
  // The origin of a `blob:` is that of the page which has made it.
  if (url.origin === page) return url.protocol === "blob:" || isFile(url);
  return url.protocol === "https:" && allowedDomains.some((domain) => isWithin(url.hostname, domain));
}

function pageOrigin(): string | undefined {
  return typeof location === "undefined" ? undefined : location.origin;
}

/** Whether one of our own addresses is a file's. To load another one of the API may do something. */
function isFile({ pathname }: URL): boolean {
  const files = `${BASE_PATH}/api/attachments/`;
  if (pathname.startsWith(files) && /^[\w-]+$/.test(pathname.slice(files.length))) return true;
  try {
    // A server may read `%61pi` and `\api` as it reads `api`.
    return !/[/\\]api(?:[/\\]|$)/i.test(decodeURIComponent(pathname));
  } catch {
    return false;
  }
}

function isWithin(host: string, domain: string): boolean {
  const name = domain
    .trim()
    .toLowerCase()
    .replace(/^\*?\./, "");
  return name !== "" && (host === name || host.endsWith(`.${name}`));
}

const NO_DOMAINS: readonly string[] = [];

type PictureProps = {
  src: string;
  alt: string;
  className?: string | undefined;
  style?: CSSProperties | undefined;
};

/**
 * An image of a model or server. The address of an image can carry what the conversation says to a
 * foreign host, so the person decides whether that image is loaded.
 */
export function Picture({ src, alt, className, style }: PictureProps) {
  const { words } = useBasic();
  const domains = useChatState(({ thread }) => thread?.allowed_image_domains) ?? NO_DOMAINS;
  // The decision is about this address alone: a stream may put another in its place.
  const [accepted, accept] = useState<string | null>(null);
  if (accepted === src || isOwnImage(src, domains)) {
    return (
      // biome-ignore lint/performance/noImgElement: Next's server would load the image for the model
      <img
        className={className ?? styles.picture}
        style={style}
        src={src}
        alt={alt}
        loading="lazy"
        decoding="async"
        referrerPolicy="no-referrer"
      />
    );
  }
  const url = parsed(src);
  if (url?.protocol !== "https:" || url.origin === pageOrigin()) return alt;
  return (
    <button type="button" className={styles.ask} title={alt || undefined} onClick={() => accept(src)}>
      <Icon name="image" />
      {fill(words.showImageOf, { host: url.host })}
    </button>
  );
}

type IconButtonProps = {
  label: string;
  icon: IconName;
  /** Of a button that stays pressed. */
  pressed?: boolean | undefined;
  onClick: () => void;
  disabled?: boolean | undefined;
  className?: string | undefined;
};

/** A button that shows only an icon. */
export function IconButton({ label, icon, pressed, onClick, disabled, className }: IconButtonProps) {
  return (
    <button
      type="button"
      className={className ? `${styles.iconButton} ${className}` : styles.iconButton}
      aria-label={label}
      title={label}
      aria-pressed={pressed}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  );
}

const COPIED_MS = 2000;

/** Copies a text, and says so for a moment. */
export function CopyButton({ text }: { text: string }) {
  const { words } = useBasic();
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return;
    const timer = setTimeout(() => setCopied(false), COPIED_MS);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // A page that is not at https has no clipboard, and a person may refuse it.
    }
  };
  return (
    <>
      <IconButton label={words.copy} icon={isCopied ? "check" : "copy"} onClick={copy} />
      <Aloud>{isCopied && words.copied}</Aloud>
    </>
  );
}

/** Turns while something is being done. */
export function Spinner() {
  return <span className={styles.spinner} aria-hidden="true" />;
}

/** The class of what only screen readers meet. */
export const unseen = styles.hidden;

/** Says something to screen readers alone, as soon as it changes. */
export function Aloud({ children }: { children: ReactNode }) {
  return (
    <span role="status" className={unseen}>
      {children}
    </span>
  );
}

/** Returns a text without what makes it read backwards, which can disguise a name or an address. */
export function withoutOverrides(text: string): string {
  return text.replace(/[\u202D\u202E]/g, "");
}

/** Stands in the place of what cannot be drawn. */
export function NotShown() {
  return <p className={styles.notShown}>{useBasic().words.notShown}</p>;
}

type BoundaryProps = {
  /** What is drawn. Another one, such as its next version, gets another chance. */
  of: unknown;
  children: ReactNode;
};

/** Keeps the chat alive if a part of it cannot be drawn. */
export class Boundary extends Component<BoundaryProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError() {
    return { hasFailed: true };
  }

  override componentDidUpdate({ of }: BoundaryProps) {
    if (this.state.hasFailed && of !== this.props.of) this.setState({ hasFailed: false });
  }

  override render() {
    return this.state.hasFailed ? <NotShown /> : this.props.children;
  }
}
