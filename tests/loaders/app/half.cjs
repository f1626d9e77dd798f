const { PsessionError, createPsession } = require("psession");

module.exports = { PsessionError, createPsession, session: require("psession/express-session") };
