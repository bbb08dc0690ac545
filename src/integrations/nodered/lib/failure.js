/** An error with a code by which a flow can decide, and what Ledge said beside it. */
class Failure extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = 'LedgeFailure';
    this.code = code;
    this.details = details;
  }
}

module.exports = { Failure };
