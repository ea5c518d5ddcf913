const MARKED = /`([^`]+)`|(https:\/\/\S*[^\s.,:;)])/;

/** Shows a text of the pitfalls: `backticks` mark code, and addresses become links. */
export function Prose({ text }: { text: string }) {
  // `split` also returns what the two groups match, so the parts are: plain, code, link, plain, …
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
