// Texts of the captions view, which other views do not load. Imported before what shows them.

import { addTexts } from "./language.js";

export const ENGLISH = {
  "captions.title": "Niyosha: captions",
  "captions.follow": "Open the dictation view in another tab of this browser and speak, or let this page listen itself.",
  "captions.open": "Open the dictation view",
  "captions.own": "Listen on this page",
  "captions.theme": "Light or dark",
  "captions.look": "Appearance",
  "captions.lines": "Rows",
  "captions.size": "Size in percent",
  "captions.position": "Place",
  "captions.align": "Alignment",
  "captions.ground": "Ground",
  "captions.color": "Colour of the text",
  "captions.box": "Box behind the text",
  "captions.font": "Font",
  "captions.address": "Address with this appearance",
  "captions.reset": "As usual",
  "captions.usual": "usual",
  "captions.top": "top",
  "captions.middle": "middle",
  "captions.bottom": "bottom",
  "captions.start": "at the begin of the row",
  "captions.end": "at its end",
  "captions.dark": "dark",
  "captions.light": "light",
  "captions.clear": "transparent",
  "captions.full": "Full screen (F)",
  "captions.leaveFull": "Leave the full screen (F)",
};

/** @type {Record<keyof typeof ENGLISH, string>} */
export const PERSIAN = {
  "captions.title": "نیوشا: زیرنویس",
  "captions.follow":
    "دیکته را در زبانهٔ دیگری از همین مرورگر باز کنید و حرف بزنید، یا بگذارید همین صفحه خودش گوش بدهد.",
  "captions.open": "باز کردن دیکته",
  "captions.own": "شنیدن در همین صفحه",
  "captions.theme": "روشن یا تیره",
  "captions.look": "ظاهر",
  "captions.lines": "تعداد سطرها",
  "captions.size": "اندازه به درصد",
  "captions.position": "جای متن",
  "captions.align": "چینش",
  "captions.ground": "زمینه",
  "captions.color": "رنگ متن",
  "captions.box": "کادر پشت متن",
  "captions.font": "قلم",
  "captions.address": "نشانی با همین ظاهر",
  "captions.reset": "به حالت معمول",
  "captions.usual": "معمول",
  "captions.top": "بالا",
  "captions.middle": "میانه",
  "captions.bottom": "پایین",
  "captions.start": "در آغاز سطر",
  "captions.end": "در پایان سطر",
  "captions.dark": "تیره",
  "captions.light": "روشن",
  "captions.clear": "شفاف",
  "captions.full": "تمام‌صفحه (F)",
  "captions.leaveFull": "خروج از تمام‌صفحه (F)",
};

addTexts({ en: ENGLISH, fa: PERSIAN });
