"use client";

import { useEffect } from "react";
import { ErrorPanel } from "@/kit/pages";

type Props = { error: Error & { digest?: string }; reset: () => void };

/** What people see in place of a page that could not be drawn. */
export default function ErrorPage({ error, reset }: Props) {
  useEffect(() => console.error(error), [error]);
  return <ErrorPanel error={error} onRetry={reset} />;
}
