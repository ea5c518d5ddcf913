import { Failure } from "@/lib/failure";

/**
 * How the name of a cookie begins that browsers take from this very host only, over https: no site of the same domain
 * can set one, and so make somebody write into a history that it can read.
 */
export const OF_THIS_HOST = "__Host-";

/** A cookie as a browser sent it. */
export type Cookie = { name: string; value: string };

/** The cookies of a request: two of the same name are two. */
export function cookiesOf({ headers }: Request): Cookie[] {
  const sent = (headers.get("cookie") ?? "").split(";").filter((cookie) => cookie.includes("="));
  return sent.map((cookie) => {
    const [name = "", ...value] = cookie.split("=");
    // Of these two characters only: a name that browsers take for another must not become one that they guard.
    return { name: name.replace(/^[ \t]+|[ \t]+$/g, ""), value: value.join("=") };
  });
}

/**
 * The value of a cookie that says who somebody is.
 *
 * @throws {Failure} There are two of that name. A site of the same domain can set one beside ours, and whoever believed
 * it would write into a history of somebody else's.
 */
export function cookieOf(request: Request, name: string): string | undefined {
  const [cookie, another] = cookiesOf(request).filter((one) => one.name === name);
  if (another) {
    throw new Failure(
      "This browser sends two cookies where there should be one, and one may be somebody else's. " +
        "Delete the cookies of this site, then reload the page.",
      401,
      "not-signed-in",
    );
  }
  return cookie?.value;
}
