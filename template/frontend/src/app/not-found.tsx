import type { Metadata } from "next";
import { NotFoundPanel } from "@/kit/not-found";

export const metadata: Metadata = { title: "Not found" };

/** What people see at an address where there is no page. */
export default function NotFound() {
  return <NotFoundPanel />;
}
