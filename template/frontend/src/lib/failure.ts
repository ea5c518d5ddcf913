/** Something went wrong in a way that we know; the message is meant for people and holds no secret. */
export class Failure extends Error {}
