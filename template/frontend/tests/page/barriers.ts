import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** Fails if axe finds something on a page that keeps people out, but for what matches `leftOut`. */
export async function expectNoBarriers(page: Page, leftOut?: string): Promise<void> {
  const axe = new AxeBuilder({ page });
  const { violations } = await (leftOut ? axe.exclude(leftOut) : axe).analyze();
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${help}\n${target.join(" ")}\n${failureSummary}`),
  );
  expect(found).toEqual([]);
}
