// The owner's page: what a viewer's has, and the tabs that begin something.
import { checkpoints } from "../pages/checkpoints/checkpoints.js";
import { setup } from "../pages/setup/setup.js";
import { pages } from "./viewer.js";

Object.assign(pages, { setup, checkpoints });
