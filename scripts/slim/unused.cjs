/** In the place of each module that is never called: whatever is taken from it is undefined, and it may stand in an `instanceof`. */
module.exports = class {};
