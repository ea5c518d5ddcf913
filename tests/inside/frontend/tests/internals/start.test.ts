import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { expectSettings } from "@/kit/server/status";
import { expectBuild } from "../page/servers";
import { SECRET, stubSecret } from "./page-request";

const NOT_RANDOM = [
  "changemechangemechangemechangeme",
  "Your-secret-of-32-characters-or-more",
  "x".repeat(40),
];
const SAME_ON_BOTH = "set the same 32 random characters or more in the environment of both sides.";
const UNSET_IT = "unset it, or set the whole secret that was CHATKIT_SECRET before.";

describe("in production the server does not start with", () => {
  beforeAll(expectBuild);

  test.each([
    ["CHATKIT_SECRET", "", `CHATKIT_SECRET is empty: ${SAME_ON_BOTH}`],
    ["CHATKIT_SECRET", "short", `CHATKIT_SECRET is shorter than 32 characters: ${SAME_ON_BOTH}`],
    ["CHATKIT_SECRET", NOT_RANDOM[0], `CHATKIT_SECRET is not random: ${SAME_ON_BOTH}`],
    [
      "CHATKIT_SECRET_PREVIOUS",
      "short",
      `CHATKIT_SECRET_PREVIOUS is shorter than 32 characters: ${UNSET_IT}`,
    ],
    ["OIDC_ISSUER", "https://login.example.com", "OIDC_ISSUER is set and OIDC_AUDIENCE is not"],
    ["BACKEND_URL", "backend:8000", 'BACKEND_URL is "backend:8000", which is not an address like'],
    ["TRUSTED_PROXIES", "nonsense", 'TRUSTED_PROXIES has "nonsense", which is no address'],
  ])("%s=%s, and says why", (name, value, words) => {
    const usual = {
      NODE_ENV: "production",
      CHATKIT_SECRET: SECRET,
      OIDC_ISSUER: "",
      OIDC_AUDIENCE: "",
      PORT: "0",
    };
    const env = { ...process.env, ...usual, [name]: value } as NodeJS.ProcessEnv;
    const server = spawnSync(process.execPath, ["scripts/start.mjs"], {
      env,
      encoding: "utf8",
      timeout: 20_000,
    });
    expect(server.status).toBe(1);
    expect(server.stderr.trim().split("\n")).toEqual([expect.stringContaining(words)]);
  });
});

describe("a secret that was copied from somewhere", () => {
  afterEach(() => void vi.unstubAllEnvs());

  test.each(NOT_RANDOM)("such as %s is refused in production only", (secret) => {
    stubSecret();
    vi.stubEnv("CHATKIT_SECRET", secret);
    expect(expectSettings).not.toThrow();
    vi.stubEnv("NODE_ENV", "production");
    expect(expectSettings).toThrow("CHATKIT_SECRET is not random");
    vi.stubEnv("CHATKIT_SECRET_PREVIOUS", secret);
    vi.stubEnv("CHATKIT_SECRET", SECRET);
    expect(expectSettings).toThrow("CHATKIT_SECRET_PREVIOUS is not random");
  });
});

describe("a file of settings", () => {
  const folder = mkdtempSync(join(tmpdir(), "settings-"));

  beforeAll(() => {
    vi.spyOn(process, "cwd").mockReturnValue(folder);
    vi.stubEnv("NODE_ENV", "development");
  });
  afterEach(() => {
    for (const name of NAMES) rmSync(join(folder, name), { force: true });
  });
  afterAll(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  const NAMES = [".env.development.local", ".env.local", ".env.development", ".env"];
  const TEXT = "CHATKIT_SECRET=\r\n";

  test.each(NAMES)("env-file-in-utf-16: %s is refused, with the command that converts it", (name) => {
    for (const content of [
      Buffer.from(`\ufeff${TEXT}`, "utf16le"),
      Buffer.concat([Buffer.from(TEXT), Buffer.from(TEXT, "utf16le")]),
      Buffer.from([0xfe, 0xff, 0x4e, 0x2d]),
    ]) {
      writeFileSync(join(folder, name), content);
      expect(expectSettings).toThrow(`frontend/${name} has text in UTF-16`);
      expect(expectSettings).toThrow("uv run doctor --fix");
    }
  });

  test("may begin with a mark of UTF-8", () => {
    writeFileSync(join(folder, ".env.local"), `\ufeff${TEXT}`);
    expect(expectSettings).not.toThrow();
  });
});
