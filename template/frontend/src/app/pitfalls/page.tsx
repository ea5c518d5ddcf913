import type { Metadata } from "next";
import { Pitfalls } from "@/kit/pitfalls";

export const metadata: Metadata = { title: "Pitfalls", robots: { index: false } };

/** What can go wrong, and what to do: the panels of the chat lead here. */
export default Pitfalls;
