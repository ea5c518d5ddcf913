import { quietButton } from "./make";

/** A button that records speech until it is pressed again. */
export class Dictation {
  readonly button = quietButton("Dictate", () => this.press(), { hidden: true });
  private recorder: MediaRecorder | null = null;

  constructor(private readonly hear: (speech: Blob) => void) {}

  private async press(): Promise<void> {
    if (this.recorder) return this.recorder.stop();
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const recorder = new MediaRecorder(stream);
    recorder.ondataavailable = ({ data }) => this.hear(data);
    recorder.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      this.show(null);
    };
    recorder.onstart = () => this.show(recorder);
    recorder.start();
  }

  private show(recorder: MediaRecorder | null): void {
    this.recorder = recorder;
    this.button.textContent = recorder ? "Stop dictating" : "Dictate";
  }
}
