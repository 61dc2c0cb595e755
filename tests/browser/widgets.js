// A card with the shared table, as any page makes one.
import { table, wordsCard } from "../../dashboard/js/pieces.js";

window.card = (heads, rows) => wordsCard("Numbers", "one row per task", [], table("Numbers", heads, rows));
