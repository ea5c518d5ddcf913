import { expect, test } from "vitest";
import { runClientTool } from "@/components/chat/client-tools";
import type { ChatMethods } from "@/kit/chat";

test("get_browser_time tells the time and its zone", async () => {
  const result = await runClientTool({ name: "get_browser_time", params: {} }, {} as ChatMethods);
  expect(result).toEqual({ local_time: expect.any(String), time_zone: expect.any(String) });
});

test("an unknown tool is a result that says so, and not an exception", async () => {
  const result = await runClientTool({ name: "constructor", params: {} }, {} as ChatMethods);
  expect(result).toEqual({ error: 'This page has no client tool named "constructor".' });
});
