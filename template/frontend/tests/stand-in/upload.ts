import type { Attachment, FileUploadStrategy } from "@openai/chatkit";
import { refusal, type Wire } from "./wire";

type Announced = Attachment & {
  upload_descriptor: { url: string; method: string; headers?: Record<string, string> };
};

/**
 * Uploads a file: in one request, or announced first and then sent where the server's answer says.
 *
 * @throws {Error} The server refused; the message is the server's.
 */
export async function upload(wire: Wire, strategy: FileUploadStrategy, file: File): Promise<Attachment> {
  if (strategy.type === "direct") {
    const response = await send(wire, strategy.uploadUrl, { method: "POST" }, file);
    return response.json();
  }
  const about = { name: file.name, size: file.size, mime_type: file.type };
  const announced = await wire.ask<Announced>("attachments.create", about);
  const { url, method, headers = {} } = announced.upload_descriptor;
  await send(wire, url, { method, headers }, file);
  return announced;
}

async function send(wire: Wire, url: string, request: RequestInit, file: File): Promise<Response> {
  const body = new FormData();
  body.append("file", file);
  const response = await wire.fetch(url, { ...request, body });
  if (!response.ok) throw await refusal(response);
  return response;
}
