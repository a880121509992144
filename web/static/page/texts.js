// Texts of all views in all languages. A view loads its own and the shared ones.

import { ENGLISH as CAPTIONS, PERSIAN as PERSIAN_CAPTIONS } from "./captions-texts.js";
import { ENGLISH as COMMANDS, PERSIAN as PERSIAN_COMMANDS } from "./commands-texts.js";
import { ENGLISH as SHARED } from "./english.js";
import { PERSIAN as PERSIAN_SHARED } from "./persian.js";

export const ENGLISH = { ...SHARED, ...CAPTIONS, ...COMMANDS };
export const PERSIAN = { ...PERSIAN_SHARED, ...PERSIAN_CAPTIONS, ...PERSIAN_COMMANDS };
