import type { Slug } from "@/lib/causes";

/** Something went wrong in a way that we know; the message is meant for people and holds no secret. */
export class Failure extends Error {
  /**
   * @param status Of the answer: below 500 the request is at fault, from there on our side is.
   * @param slug Of the pitfall behind it, where it is one.
   * @param retryAfter Seconds after which it is worth another try.
   */
  constructor(
    message: string,
    readonly status = 502,
    readonly slug: Slug | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}
