import { test } from "../../page/person";
import { mend } from "./bidi";
import "../basic-alone.spec";

test.beforeEach(({ context }) => mend(context));
