import { type ReactNode, useState } from "react";
import { useBasic } from "@/kit/basic/context";
import styles from "@/kit/basic/items/items.module.css";
import { SourceList } from "@/kit/basic/items/sources";
import { chatkitIcon, Icon, type IconName } from "@/kit/basic/parts/icons";
import { Markdown } from "@/kit/basic/parts/markdown";
import { Spinner, unseen } from "@/kit/basic/parts/parts";
import type { Task, Workflow } from "@/kit/basic/protocol";
import { fill, type Words } from "@/kit/words";

type WorkflowProps = {
  workflow: Workflow;
  /** Whether its turn is running. */
  isRunning: boolean;
  /** Whether the assistant is at one of the steps, and not further already. */
  isWorking: boolean;
};

/** The steps of an assistant on the way to its answer. */
export function WorkflowView({ workflow, isRunning, isWorking }: WorkflowProps) {
  const { words } = useBasic();
  // What the person has chosen stays so, whatever the assistant does.
  const [chosen, choose] = useState<boolean | null>(null);
  const isOpen = chosen ?? (workflow.expanded || isWorking);
  const { tasks, summary } = workflow;
  const icon = summary && "icon" in summary ? summary.icon : null;
  const heading = (
    <>
      {icon && <Icon name={chatkitIcon(icon)} />}
      <h2 dir="auto">{titleOf(workflow, isWorking, words)}</h2>
    </>
  );
  if (!tasks.length) return <div className={styles.summary}>{heading}</div>;
  return (
    <details
      className={styles.workflow}
      open={isOpen}
      onToggle={({ currentTarget: { open } }) => open !== isOpen && choose(open)}
    >
      <summary className={styles.summary}>
        {heading}
        <Icon name="chevron-down" />
      </summary>
      <ul className={styles.tasks}>
        {tasks.map((task, index) => {
          const key = `${index}`;
          return (
            <li key={key}>
              <TaskView task={task} isRunning={isRunning} />
            </li>
          );
        })}
      </ul>
    </details>
  );
}

function titleOf({ type, summary }: Workflow, isWorking: boolean, words: Words): string {
  if (summary && "title" in summary) return summary.title;
  if (summary) return fill(words.thoughtFor, { seconds: summary.duration });
  if (type !== "reasoning") return words.workflow;
  return isWorking ? words.thinking : words.thought;
}

/** One step of an assistant. It can be at work only while its turn is running. */
export function TaskView({ task, isRunning }: { task: Task; isRunning: boolean }) {
  const { words } = useBasic();
  const { title, icon, content } = partsOf(task, words);
  const isLoading = task.status_indicator === "loading" && isRunning;
  const isComplete = task.status_indicator === "complete";
  const hasOwnIcon = task.type === "custom" && task.icon && (isLoading || isComplete);
  return (
    <div className={styles.task}>
      <span className={styles.status}>
        {isLoading && <Spinner />}
        {!isLoading && <Icon name={isComplete ? "check" : icon} />}
        {(isLoading || isComplete) && (
          <span className={unseen}>{isLoading ? words.inProgress : words.done}</span>
        )}
      </span>
      <div className={styles.taskBody}>
        {title && (
          <p className={styles.taskTitle} dir="auto">
            {hasOwnIcon && <Icon name={icon} />} {title}
          </p>
        )}
        {content}
      </div>
    </div>
  );
}

type Parts = { title: string; icon: IconName; content?: ReactNode };

function partsOf(task: Task, words: Words): Parts {
  switch (task.type) {
    case "custom":
      return {
        title: task.title ?? "",
        icon: task.icon ? chatkitIcon(task.icon) : "dot",
        content: task.content && <Markdown text={task.content} />,
      };
    case "web_search":
      return {
        title: task.title || words.searched,
        icon: "search",
        content: (
          <>
            <Queries queries={[task.title_query ?? "", ...(task.queries ?? [])]} />
            <SourceList sources={task.sources ?? []} />
          </>
        ),
      };
    case "thought":
      return { title: task.title ?? "", icon: "lightbulb", content: <Markdown text={task.content} /> };
    case "file":
      return {
        title: task.title || words.readFiles,
        icon: "document",
        content: <SourceList sources={task.sources ?? []} />,
      };
    case "image":
      return { title: task.title || words.madeImage, icon: "image" };
    default: // a newer server may send more
      return { title: (task as Task).title ?? "", icon: "dot" };
  }
}

function Queries({ queries }: { queries: readonly string[] }) {
  const unique = [...new Set(queries)].filter(Boolean);
  if (!unique.length) return null;
  return (
    <ul className={styles.queries}>
      {unique.map((query) => (
        <li key={query} dir="auto">
          {query}
        </li>
      ))}
    </ul>
  );
}
