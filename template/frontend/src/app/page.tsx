import { Chat } from "@/components/chat/chat";

/** The page: change it as you like, the chat fills whatever holds it. */
export default function Page() {
  return (
    <main>
      <Chat />
    </main>
  );
}
