import { Failure } from "@/lib/failure";
import { processWide } from "@/lib/process-wide";

/** Who sends a request, and from where: the name that owns conversations, and the address of the network if known. */
export type Sender = { owner: string; address: string | null };

export const MB = 1024 * 1024;
const RETRY_AFTER_SECONDS = 5;

/** Some of what only so much of may go on at once. It is given back once. */
export type Share = { more: (amount: number) => void; giveBack: () => void };

/** What may go on at once for a person, for an address and for all, so that none of them can take all there is. */
export class AtOnce {
  private readonly taken = new Map<string, number>();

  constructor(
    private readonly most: { person: number; address?: number; all?: number },
    private readonly what: string,
  ) {}

  /**
   * Takes some of it.
   *
   * @throws {Failure} It would be too much.
   */
  take({ owner, address }: Sender, amount = 1): Share {
    const { person, address: ofAddress = Infinity, all = Infinity } = this.most;
    const limits = [
      { key: `person ${owner}`, most: person, whose: "you" },
      ...(address === null ? [] : [{ key: `address ${address}`, most: ofAddress, whose: "your network" }]),
      { key: "all", most: all, whose: "everybody together" },
    ];
    let own = 0;
    const more = (wanted: number) => {
      const full = limits.find(({ key, most }) => (this.taken.get(key) ?? 0) + wanted > most);
      if (full) throw tooMuch(this.what, full.whose);
      this.add(limits, wanted);
      own += wanted;
    };
    more(amount);
    const giveBack = () => {
      this.add(limits, -own);
      own = 0;
    };
    return { more, giveBack };
  }

  private add(limits: { key: string }[], amount: number): void {
    for (const { key } of limits) {
      const left = (this.taken.get(key) ?? 0) + amount;
      if (left > 0) this.taken.set(key, left);
      else this.taken.delete(key);
    }
  }
}

function tooMuch(what: string, whose: string): Failure {
  const message = `${what} at once, for ${whose}: wait a moment, and try again.`;
  return new Failure(message, 429, null, RETRY_AFTER_SECONDS);
}

/** Messages that are being received. Most have come as a whole by the time that anybody looks. */
export const messages = processWide(
  "messages",
  () => new AtOnce({ person: 100, address: 300, all: 400 }, "Too many messages are on their way"),
);

/** Files that are being received, each over two connections. */
export const uploads = processWide(
  "uploads",
  () => new AtOnce({ person: 10, address: 50, all: 300 }, "Too many files are on their way"),
);

/** Bytes of bodies that are held in memory until the backend has answered. */
export const holding = processWide(
  "holding",
  () =>
    new AtOnce({ person: 20 * MB, address: 100 * MB, all: 200 * MB }, "Too large messages are on their way"),
);

/** Answers of the backend that are waited for, or that are on their way to the browser. */
export const answering = processWide(
  "answering",
  () => new AtOnce({ person: 100, address: 300 }, "Too many answers are on their way"),
);

/** Files that are on their way to the browser, however slowly it reads: more than the 20 that a message has at most. */
export const downloads = processWide(
  "downloads",
  () => new AtOnce({ person: 24, address: 60, all: 300 }, "Too many downloads are on their way"),
);
