/** Something went wrong in a way that we know; the message is meant for people and holds no secret. */
export class Failure extends Error {
  /** @param status Of the answer: below 500 the request is at fault, from there on our side is. */
  constructor(
    message: string,
    readonly status = 502,
  ) {
    super(message);
  }
}
