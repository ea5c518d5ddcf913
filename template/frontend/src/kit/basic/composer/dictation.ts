import { useEffect, useRef, useState } from "react";
import { useBasic } from "@/kit/basic/context";
import { fill, type Words } from "@/kit/words";

/** Speech that becomes text. */
export type Dictation = {
  phase: "idle" | "starting" | "recording" | "transcribing";
  /** Why the last one did not start, in the person's language. */
  problem: string | null;
  start: () => Promise<void>;
  stop: () => void;
};

/** Lets a person speak, and gives the words that the server has heard. */
export function useDictation(onText: (text: string) => void): Dictation {
  const { session, words } = useBasic();
  const [phase, setPhase] = useState<Dictation["phase"]>("idle");
  const [problem, setProblem] = useState<string | null>(null);
  const recorder = useRef<MediaRecorder | null>(null);
  const isHere = useRef(true);
  const stop = () => {
    if (recorder.current?.state === "recording") recorder.current.stop();
  };

  useEffect(() => {
    isHere.current = true;
    return () => {
      isHere.current = false;
      if (recorder.current?.state === "recording") recorder.current.stop();
    };
  }, []);

  /** Returns what the person says until `stop` is called; null if there is no microphone. */
  const listen = async (): Promise<Blob | null> => {
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      try {
        // While the browser asked for leave, the person may have left the chat.
        if (!isHere.current) return null;
        const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
        recorder.current = new MediaRecorder(stream, type ? { mimeType: type } : {});
        setPhase("recording");
        return await record(recorder.current);
      } finally {
        for (const track of stream.getTracks()) track.stop();
      }
    } catch (error) {
      setProblem(fill(words.noMicrophone, { reason: reasonOf(error as Error, words) }));
      return null;
    }
  };

  const start = async () => {
    if (phase !== "idle") return;
    setProblem(null);
    setPhase("starting");
    try {
      const speech = await listen();
      if (!speech?.size || !isHere.current) return;
      setPhase("transcribing");
      const text = await session.transcribe(speech);
      if (text) onText(text);
    } finally {
      setPhase("idle");
    }
  };

  return { phase, problem, start, stop };
}

/** What browsers record, the smallest first. Safari knows only the second. */
const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg"];

function record(recorder: MediaRecorder): Promise<Blob> {
  return new Promise((resolve, reject) => {
    const pieces: Blob[] = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.onstop = () => resolve(new Blob(pieces, { type: recorder.mimeType }));
    recorder.onerror = ({ type }) => reject(new Error(type));
    recorder.start();
  });
}

function reasonOf(error: Error, words: Words): string {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return words.microphoneDenied;
    case "NotFoundError":
      return words.microphoneMissing;
    // Old browsers and pages without https have neither `mediaDevices` nor `MediaRecorder`.
    case "TypeError":
    case "ReferenceError":
    case "NotSupportedError":
      return words.microphoneUnsupported;
    default:
      return error.message;
  }
}
