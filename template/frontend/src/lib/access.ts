import type { Access } from "@/kit/server/sender";
import { DEVELOPMENT_HOSTS } from "./development-hosts";
import { guestsAreWelcome, identify, whyNobody } from "./identity";

/** Who may ask the page's server: each route hands it to the kit. */
export const access: Access = { identify, guestsAreWelcome, whyNobody, developmentHosts: DEVELOPMENT_HOSTS };
