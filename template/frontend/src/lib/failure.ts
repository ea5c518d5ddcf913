import type { Slug } from "@/lib/causes";

/**
 * Something went wrong in a way that we know. The message is in words for people and holds no secret: for anybody below
 * 500, and from there on for the log and, in development, for the owner.
 */
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

/** What the backend says of a failure, which knows by itself what it may say to whom. */
export class RelayedFailure extends Failure {}
