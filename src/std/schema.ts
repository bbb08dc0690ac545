/** The schema library, by its one owner: every border of the program parses with it. */
export { z } from 'zod';
