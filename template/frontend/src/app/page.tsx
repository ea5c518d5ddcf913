import { Chat } from "@/components/chat/chat";

/** The page: change it as you like, the chat fills whatever holds it. */
export default function Page() {
  return (
    <main>
      <Chat />
    </main>
  );
}

/** For search engines; the title is in layout.tsx. */
export const metadata = { description: "A chat with an assistant." };
