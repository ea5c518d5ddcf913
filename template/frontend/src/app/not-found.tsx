import type { Metadata } from "next";
import { NotFoundPanel } from "@/kit/pages";

export const metadata: Metadata = { title: "Not found" };

/** What people see at an address where there is no page. */
export default function NotFound() {
  return <NotFoundPanel />;
}
