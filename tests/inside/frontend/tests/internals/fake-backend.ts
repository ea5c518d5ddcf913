import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { hurry } from "./page-request";

/** A request as the backend got it. */
export type Received = { request: IncomingMessage; body: string };

/** Starts an HTTP server for one test and returns its address. */
export async function listen(listener: RequestListener, port = 0): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const NEW_CERTIFICATE =
  "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1";

/**
 * Starts an HTTPS server for one test, with a certificate that nobody knows, and returns its address.
 *
 * @param isExpired Whether the certificate is out of date, which Node.js says instead.
 */
export async function listenInspected(isExpired = false): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "certificate-"));
  const [keyFile, certFile] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const files = ["-keyout", keyFile, "-out", certFile];
  execFileSync("openssl", [...NEW_CERTIFICATE.split(" "), ...files], { stdio: "ignore" });
  const again = ["x509", "-in", certFile, "-signkey", keyFile, "-days", "-1", "-out", certFile];
  if (isExpired) execFileSync("openssl", again, { stdio: "ignore" });
  const server = createSecureServer({ key: readFileSync(keyFile), cert: readFileSync(certFile) });
  rmSync(folder, { recursive: true });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Points the proxy at an address at which nobody listens, not even after a while, and returns it. */
export async function noBackend(): Promise<string> {
  const url = await unusedUrl();
  vi.stubEnv("BACKEND_URL", url);
  hurry(100);
  return url;
}

/** An address at which nobody listens. */
export async function unusedUrl(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

/** Starts an HTTP server in the backend's place for one test, and points the proxy at it. */
export async function rawBackend(listener: RequestListener): Promise<string> {
  const url = await listen(listener);
  vi.stubEnv("BACKEND_URL", url);
  return url;
}

/** A backend that reads each request to its end before it answers. */
export async function fakeBackend(
  answer: (response: ServerResponse, received: Received) => void = (response) => answerJson(response, {}),
): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const url = await rawBackend(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    received.push({ request, body });
    answer(response, { request, body });
  });
  return { url, received };
}

/** Answers with JSON. */
export function answerJson(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** Starts to answer with an event stream, and leaves it open. */
export function startEvents(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
}
