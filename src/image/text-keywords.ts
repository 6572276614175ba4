/**
 * @module image/text-keywords
 * Under which names an image's file carries what it was made with.
 */

/** For people and other programs, in AUTOMATIC1111's form. */
export const PARAMETERS = "parameters";
/** What this program draws the image from again, as JSON. */
export const SETTINGS = "if-gen";
