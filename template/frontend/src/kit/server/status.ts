import { readFileSync } from "node:fs";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import type { NextRequest } from "next/server";
import { isDevelopment, type Slug, withoutSecrets } from "@/kit/causes";
import { askBackend, type BackendResponse, backendAddress, expectJson, handOn } from "@/kit/server/backend";
import { Failure, respond, unbuffered } from "@/kit/server/failures";
import { believedSecrets } from "@/kit/server/guest";
import { answering, endUncountedBodies, processWide, type Sender } from "@/kit/server/limits";
import { oidcProvider } from "@/kit/server/oidc";
import { type Access, rememberPeers, senderOf, trustedProxies } from "@/kit/server/sender";
import { BASE_PATH, chosenBasePath } from "@/kit/settings";

/**
 * Refuses settings in UTF-16, as `>` and `>>` of Windows PowerShell write them. Next.js ignores
 * such lines without a word. The backend's `kit/env_files.py` does the same, and converts them.
 */
function expectUtf8(): void {
  const mode = process.env.NODE_ENV;
  for (const name of [`.env.${mode}.local`, ".env.local", `.env.${mode}`, ".env"]) {
    const content = contentOf(name);
    const mark = content.toString("hex", 0, 2);
    if (content.includes(0) || mark === "fffe" || mark === "feff")
      throw new Failure(
        `frontend/${name} has text in UTF-16, as > and >> of Windows PowerShell write it, and Next.js reads ` +
          "UTF-8. Convert it with: uv run doctor --fix",
      );
  }
}

function contentOf(name: string): Buffer {
  try {
    return readFileSync(join(/* turbopackIgnore: true */ process.cwd(), name));
  } catch {
    return Buffer.alloc(0);
  }
}

/** Refuses another path than that of the build, which is written into its scripts and addresses. */
function expectBasePath(): void {
  const chosen = chosenBasePath();
  if (!chosen || chosen === BASE_PATH) return;
  throw new Failure(
    `FRONTEND_BASE_PATH is "${chosen}", and the page is built for "${BASE_PATH || "/"}". Build it again with the ` +
      "same path, or leave it out here.",
  );
}

/**
 * Checks the settings before the first request is answered. In development it checks only the
 * files and the proxies, because the page tells the owner about the other settings.
 *
 * @throws {Failure} A setting is wrong.
 */
export function expectSettings(): void {
  expectUtf8();
  trustedProxies();
  if (isDevelopment()) return;
  expectBasePath();
  believedSecrets();
  oidcProvider();
  backendAddress("/chatkit");
}

const started = processWide("started", () => ({ yes: false }));

/**
 * Prepares the page's server, or ends it if a setting is wrong. Otherwise Next would keep running
 * without answering anybody.
 */
export function start(): void {
  try {
    expectSettings();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
  if (started.yes) return;
  started.yes = true;
  rememberPeers();
  endUncountedBodies();
}

// Two such requests take less than the ten seconds after which the page itself gives up.
const PATIENCE_MS = 4000;

// Everybody may send this request, and it needs everything: the secret, the database and its
// tables.
const QUESTION = Buffer.from(JSON.stringify({ type: "threads.list", params: { limit: 1 } }));

type Said = { status?: unknown; message?: unknown } | null;

/**
 * Tells the page whether its person can chat. ChatKit sends no request until the person writes, so
 * it would report a problem only then.
 *
 * It never throws: an error becomes an answer with a message and the slug of the pitfall.
 */
export function handleStatus(request: NextRequest, access: Access): Promise<Response> {
  return respond(request, async () => {
    const sender = await senderOf(request, access);
    const share = answering.take(sender);
    try {
      await checkHealth(request);
      await checkPerson(request, sender);
    } finally {
      share.giveBack();
    }
    return Response.json({ status: "ok" }, { headers: unbuffered() });
  });
}

async function checkHealth(request: NextRequest): Promise<void> {
  const address = backendAddress("/health");
  const answer = await inTime(request, address.url, (signal) =>
    askBackend(address, { method: "GET", headers: {}, body: null, signal }),
  );
  await expectGood({ answer, address }, (said) =>
    said?.status === "not migrated" ? "migrations-not-run" : "database-down",
  );
}

async function checkPerson(request: NextRequest, sender: Sender): Promise<void> {
  const { url } = backendAddress("/chatkit");
  const headers = { "content-type": "application/json" };
  const asked = await inTime(request, url, (signal) =>
    handOn(request, sender, "/chatkit", { method: "POST", headers, body: QUESTION, signal }),
  );
  // The backend refuses a token that is not signed with its own secret.
  const differ = asked.answer.statusCode === 401;
  await expectGood(asked, () => (differ ? "env-file-lost" : "blank-screen"));
}

async function expectGood(asked: BackendResponse, slugOf: (said: Said) => Slug): Promise<void> {
  const { answer, address } = asked;
  expectJson(asked);
  const said = (await json(answer).catch(() => null)) as Said;
  if (answer.statusCode === 200) return;
  const message = typeof said?.message === "string" ? said.message : `It answered ${answer.statusCode}.`;
  // This person has reached a limit, so the backend's message is meant for them.
  if (answer.statusCode === 429) throw new Failure(message, 429, slugOf(said));
  throw new Failure(`The backend at ${withoutSecrets(address.url)} says: ${message}`, 502, slugOf(said));
}

async function inTime<T>(
  request: NextRequest,
  url: URL,
  ask: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await ask(AbortSignal.any([request.signal, patience]));
  } catch (error) {
    const isOfTheBackend = error instanceof Failure && error.slug === "backend-down";
    if (!patience.aborted || !isOfTheBackend) throw error;
    const words = `The backend at ${withoutSecrets(url)} did not answer within ${PATIENCE_MS / 1000} seconds.`;
    throw new Failure(words, 502, "backend-down");
  }
}
