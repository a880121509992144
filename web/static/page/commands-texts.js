// Texts of the commands view, which other views do not load. Imported before what shows them.

import { addTexts } from "./language.js";

export const ENGLISH = {
  "commands.title": "Niyosha: commands",
  "commands.mode": "What will you say?",
  "commands.phrases": "My phrases",
  "commands.yesno": "Yes or no",
  "commands.numbers": "Numbers",
  "commands.tiles": "What can be said",
  "commands.yes": "Yes",
  "commands.no": "No",
  "commands.examples": "turn on the light\nturn off the light\nplay music\nnext song\nvolume up\nvolume down",
  "commands.rule": "One phrase a line; up to {phrases} phrases of up to {letters} characters.",
  "commands.tooLong": "Line {line} has {length} characters, and {most} is the most. It is not listened for.",
  "commands.tooMany": "These are {count} phrases; only the first {most} are listened for.",
  "commands.sure": "{share} sure",
  "commands.noPhrase": "No phrase matches.",
  "commands.noAnswer": "That was neither yes nor no.",
  "commands.noNumber": "That was no number.",
  "commands.past": "Heard lately",
  "commands.waited": "after {seconds} s",
};

/** @type {Record<keyof typeof ENGLISH, string>} */
export const PERSIAN = {
  "commands.title": "نیوشا: فرمان‌ها",
  "commands.mode": "چه خواهید گفت؟",
  "commands.phrases": "عبارت‌های من",
  "commands.yesno": "بله یا نه",
  "commands.numbers": "عددها",
  "commands.tiles": "آنچه می‌توان گفت",
  "commands.yes": "بله",
  "commands.no": "نه",
  "commands.examples": "چراغ را روشن کن\nچراغ را خاموش کن\nآهنگ پخش کن\nآهنگ بعدی\nصدا را زیاد کن\nصدا را کم کن",
  "commands.rule": "در هر سطر یک عبارت؛ تا {phrases} عبارت و هر کدام تا {letters} نویسه.",
  "commands.tooLong": "سطر {line} بیش از اندازه بلند است: {length} نویسه دارد و بیشترین اندازه {most} است. به این سطر گوش داده نمی‌شود.",
  "commands.tooMany": "{count} عبارت نوشته‌اید؛ فقط به {most} عبارت اول گوش داده می‌شود.",
  "commands.sure": "با اطمینان {share}",
  "commands.noPhrase": "با هیچ‌یک از عبارت‌ها جور نیست.",
  "commands.noAnswer": "پاسخ بله یا نه شنیده نشد.",
  "commands.noNumber": "عددی شنیده نشد.",
  "commands.past": "آخرین شنیده‌ها",
  "commands.waited": "پس از {seconds} ثانیه",
};

addTexts({ en: ENGLISH, fa: PERSIAN });
