/** The functions of lodash that azure-iot-device and machina call, without all the others. */
module.exports = {
  at: require('lodash/at'),
  cloneDeep: require('lodash/cloneDeep'),
  defaults: require('lodash/defaults'),
  difference: require('lodash/difference'),
  each: require('lodash/each'),
  extend: require('lodash/extend'),
  filter: require('lodash/filter'),
  includes: require('lodash/includes'),
  isArray: require('lodash/isArray'),
  isPlainObject: require('lodash/isPlainObject'),
  merge: require('lodash/merge'),
  transform: require('lodash/transform'),
  without: require('lodash/without'),
};
