// What this browser's session remembers of the form.
import { remember, remembered } from "../../charts/js/base.js";

/** @type {(form: object) => void} */
export const keepForm = (form) => remember("setup", JSON.stringify(form), "sessionStorage");
export const kept = () => JSON.parse(remembered("setup", "sessionStorage") || "null");
