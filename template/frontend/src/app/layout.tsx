import type { Metadata, Viewport } from "next";
import type { ReactNode } from "react";
import "./globals.css";

export const metadata: Metadata = { title: "Chat" };
export const viewport: Viewport = { colorScheme: "light dark" };

// Every document carries a cookie of its own: a page made at build time would invite caches to share it.
export const dynamic = "force-dynamic";

/** The document around every page. */
export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
