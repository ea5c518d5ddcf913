const MARKED = /`([^`]+)`|(https:\/\/\S*[^\s.,:;)])/;

/** Text as the pitfalls have it: `backticks` mark code, and addresses are links. */
export function Prose({ text }: { text: string }) {
  // What splits it is in the parts too: plain, code, link, plain, …
  return text.split(MARKED).map((part, index) => {
    const key = `${index}`;
    if (index % 3 === 1 && part) return <code key={key}>{part}</code>;
    if (index % 3 === 2 && part) {
      return (
        <a key={key} href={part}>
          {part}
        </a>
      );
    }
    return part;
  });
}
