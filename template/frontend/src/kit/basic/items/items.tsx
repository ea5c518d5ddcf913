import type { UserMessageContent } from "@openai/chatkit";
import { memo, type ReactNode, useDeferredValue, useMemo } from "react";
import { useBasic, useChatState } from "@/kit/basic/context";
import { entityIn } from "@/kit/basic/draft";
import styles from "@/kit/basic/items/items.module.css";
import { EntityButton, Sources } from "@/kit/basic/items/sources";
import { StructuredInputView } from "@/kit/basic/items/structured-input";
import { TaskView, WorkflowView } from "@/kit/basic/items/tasks";
import { AttachmentList } from "@/kit/basic/parts/files";
import { Icon } from "@/kit/basic/parts/icons";
import { Markdown } from "@/kit/basic/parts/markdown";
import { Boundary, CopyButton, IconButton, isOwnImage, NotShown, Picture } from "@/kit/basic/parts/parts";
import type { Annotation, Item, ItemOf, TextPart } from "@/kit/basic/protocol";
import { WidgetView } from "@/kit/basic/widget/widget";
import { fill } from "@/kit/words";

type Props = {
  item: Item;
  /** Whether its turn is running. A turn that was stopped leaves items that nobody goes on with. */
  isRunning: boolean;
  /** Whether it is the last item of a running turn, which is not complete. */
  isGrowing: boolean;
};

/**
 * Shows one item of a conversation, or nothing for those that are not for people.
 *
 * A delta changes one item, so the others are not drawn anew. What changes with each turn is for the few
 * items of that turn alone.
 */
export const ItemView = memo(function ItemView(props: Props) {
  return (
    <Boundary of={props.item}>
      <AnyItem {...props} />
    </Boundary>
  );
});

function AnyItem({ item, isRunning, isGrowing }: Props) {
  const { words } = useBasic();
  switch (item.type) {
    case "user_message":
      return <Question item={item} />;
    case "assistant_message":
      return <Answer item={item} isGrowing={isGrowing} />;
    case "widget":
      return (
        <div className={styles.item}>
          <WidgetView item={item} />
          {item.copy_text && (
            <div className={styles.actions}>
              <CopyButton text={item.copy_text} />
            </div>
          )}
        </div>
      );
    case "generated_image":
      return (
        <Article label={words.image}>
          <GeneratedImage item={item} isRunning={isRunning} />
        </Article>
      );
    case "structured_input":
      return (
        <Article label={words.form} className={styles.card}>
          <StructuredInputView item={item} />
        </Article>
      );
    case "workflow":
      return (
        <Article label={words.workflow}>
          <WorkflowView workflow={item.workflow} isRunning={isRunning} isWorking={isGrowing} />
        </Article>
      );
    case "task":
      return (
        <Article label={words.task}>
          <TaskView task={item.task} isRunning={isRunning} />
        </Article>
      );
    default:
      return null;
  }
}

type ArticleProps = { label: string; className?: string | undefined; children: ReactNode };

function Article({ label, className, children }: ArticleProps) {
  return (
    <div className={styles.item}>
      <article aria-label={label} className={className}>
        {children}
      </article>
    </div>
  );
}

function Question({ item }: { item: ItemOf<"user_message"> }) {
  const { words } = useBasic();
  const { content, attachments, quoted_text } = item;
  return (
    <div className={styles.said}>
      <AttachmentList attachments={attachments ?? []} />
      {quoted_text && (
        <blockquote aria-label={words.reply} className={styles.quote} dir="auto">
          {quoted_text}
        </blockquote>
      )}
      <article aria-label={words.you} className={styles.bubble} dir="auto">
        {content.map((part, index) => {
          const key = `${index}`;
          return <QuestionPart key={key} part={part} />;
        })}
      </article>
    </div>
  );
}

function QuestionPart({ part }: { part: UserMessageContent }) {
  if (part.type !== "input_tag") return part.text;
  return (
    <EntityButton entity={entityIn(part)} className={styles.tag}>
      {part.text}
    </EntityButton>
  );
}

function Answer({ item, isGrowing }: { item: ItemOf<"assistant_message">; isGrowing: boolean }) {
  const { words } = useBasic();
  const answer = useMemo(() => joined(item.content), [item.content]);
  // The deltas can come faster than a long text can be read. Then some are shown together.
  const { text, annotations } = useDeferredValue(answer);
  return (
    <div className={styles.item}>
      <article aria-label={words.assistant}>
        <Markdown text={text} annotations={annotations} />
      </article>
      <Sources annotations={annotations} />
      {!isGrowing && <Actions item={item} text={answer.text} />}
    </div>
  );
}

/** Joins the parts of an answer, so that the numbers of the sources count through all of them. */
export function joined(parts: readonly TextPart[]): { text: string; annotations: Annotation[] } {
  let text = "";
  const annotations: Annotation[] = [];
  for (const part of parts) {
    if (text) text += "\n\n";
    const start = text.length;
    text += part.text;
    for (const { index, ...rest } of part.annotations ?? []) {
      annotations.push({ ...rest, index: index == null ? text.length : start + index });
    }
  }
  return { text, annotations };
}

function Actions({ item, text }: { item: ItemOf<"assistant_message">; text: string }) {
  const { session, options, words } = useBasic();
  const feedback = useChatState((state) => state.feedback[item.id]);
  const { feedback: mayJudge, retry: mayRetry } = options.threadItemActions ?? {};
  return (
    <div className={styles.actions}>
      <CopyButton text={text} />
      {mayJudge && (
        <>
          <IconButton
            label={words.goodResponse}
            icon="thumb-up"
            pressed={feedback === "positive"}
            onClick={() => session.judge(item, "positive")}
          />
          <IconButton
            label={words.badResponse}
            icon="thumb-down"
            pressed={feedback === "negative"}
            onClick={() => session.judge(item, "negative")}
          />
        </>
      )}
      {mayRetry && <AnswerAgain item={item} />}
    </div>
  );
}

// Apart from the other actions, because each beginning and end of a turn draws it anew.
function AnswerAgain({ item }: { item: Item }) {
  const { session, words } = useBasic();
  const isRunning = useChatState((state) => state.isRunning);
  return (
    <IconButton
      label={words.answerAgain}
      icon="reload"
      disabled={isRunning}
      onClick={() => session.retry(item)}
    />
  );
}

type ImageProps = { item: ItemOf<"generated_image">; isRunning: boolean };

function GeneratedImage({ item: { image, progress }, isRunning }: ImageProps) {
  const { words } = useBasic();
  // The progress is not saved, so an image without it is complete.
  const isMade = image && (progress ?? 1) >= 1;
  return (
    <div className={styles.image}>
      {image ? <Picture src={image.url} alt={words.image} /> : <Placeholder />}
      {isRunning && !isMade && <Progress value={progress} />}
      {!isRunning && !image && <NotShown />}
      {isMade && isOwnImage(image.url, []) && (
        <a href={image.url} download className={styles.download}>
          {words.download}
        </a>
      )}
    </div>
  );
}

function Placeholder() {
  return (
    <div className={styles.placeholder}>
      <Icon name="image" size="2em" />
    </div>
  );
}

function Progress({ value }: { value: number | null | undefined }) {
  const { words } = useBasic();
  const isKnown = typeof value === "number";
  return (
    <p className={styles.progress}>
      <progress aria-label={words.image} max={1} value={isKnown ? value : undefined} />
      {isKnown ? fill(words.madeProgress, { percent: Math.round(value * 100) }) : words.inProgress}
    </p>
  );
}
