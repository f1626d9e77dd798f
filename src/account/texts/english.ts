/**
 * Every text that psession writes for users: of notices by mail, of the page of devices, and why somebody was signed out.
 * Copy it to translate it. What stands in braces is filled in, in any order; of texts with a number there is one for each
 * plural form of the language.
 */
export const english = {
  /** The language: for `lang`, for plural forms and, unless the option `locale` says otherwise, for dates. */
  locale: "en-GB",
  /** A browser by its name, and the system that it runs on. */
  browserOn: "{browser} on {system}",
  moment: "{time} ({timeZone})",
  /** What was changed, as the application names it in `passwordChanged`. Further ones may be added. */
  factors: { password: "password", otp: "authenticator app", passkey: "passkey" },
  /** How a user signed in, as the application names it in `login`. Further ones may be added. */
  methods: {
    password: "password",
    otp: "one-time code",
    sms: "code by text message",
    pin: "PIN",
    passkey: "passkey",
  },

  notices: {
    unknownBrowser: "an unknown browser",
    unknownAddress: "an unknown address",
    origin: "{browser}, {address}",
    originPlace: "{browser}, {address} ({place})",
    when: "when: {moment}",
    from: "from: {origin}",
  },
  theft: {
    subject: "{site}: somebody else used your sign-in",
    what:
      "Two browsers used the same sign-in to your account at {site}: one of them has a copy of the other's cookie. " +
      "Both were signed out at once.",
    noticed: "noticed: {moment}",
    usedBefore: "used before: {moment}",
    whose: "One of the two may be your own browser.",
    advice:
      "What to do: look for malware on your devices, as that is how cookies are copied. Then sign in again, change your " +
      "password, and sign out devices that you do not know.",
  },
  newDevice: {
    subject: "{site}: new sign-in to your account",
    what: "Somebody signed in to your account at {site} on a browser that was not used for it before.",
    advice:
      "If it was you, there is nothing to do. If not, somebody knows your password: change it, and sign out devices " +
      "that you do not know.",
  },
  credentialChanged: {
    subject: "{site}: your {factor} was changed",
    what: "The {factor} of your account at {site} was changed.",
    noneEnded: "No other device was signed in.",
    ended: { one: "One other device was signed out.", other: "{count} other devices were signed out." },
    advice:
      "If it was not you, somebody has access to your account: reset your password, and get in touch with us.",
    /** Where the application's name for what was changed cannot be shown. */
    unknownFactor: "sign-in method",
  },
  impersonation: {
    subject: "{site}: our support is using your account",
    what: "Somebody of the support of {site} is using your account as if they were you.",
    until: "until, at the latest: {moment}",
    advice: "If you did not ask for help, get in touch with us.",
  },

  devices: {
    title: "Your devices",
    lead: "Browsers and apps that are signed in to your account. Sign out those that you do not know or no longer use.",
    unknownBrowser: "Unknown browser",
    unknownPlace: "Unknown",
    thisDevice: "This device",
    browser: "Browser",
    place: "Place",
    placeAddress: "{place} ({address})",
    lastSeen: "Last used",
    firstSeen: "First used",
    signedInBy: "Signed in with",
    remembered: "Stays signed in",
    rememberedUntil: "Even after you close the browser, until {time}",
    trusted: "Trusted",
    trustedUntil: "No second step at sign-in until {time}",
    bound: "Protected",
    boundSince: "Against copied cookies, since {time}",
    notSignedIn: "Nobody is signed in here",
    times: "Times are those of the time zone {timeZone}.",
    name: "Name",
    saveName: "Save name",
    end: "Sign out",
    endTrust: "Stop trusting",
    endOthers: "Sign out all other devices",
    endAll: "Sign out everywhere, including here",
    impersonating: "You are acting as this user. Only the user can name devices.",
    done: {
      ended: "The device was signed out.",
      gone: "That device was signed out already.",
      named: "The name was saved.",
      nothingEnded: "No other device was signed in.",
      othersEnded: {
        one: "One other device was signed out.",
        other: "{count} other devices were signed out.",
      },
    },
    problems: {
      signIn: "Please sign in first.",
      crossSite:
        "This request came from another site, so nothing was changed. Please try again on this page.",
      confirm: "Please confirm your password first.",
      invalid: "That could not be understood, so nothing was changed. Please try again.",
      invalidName: "A name has at most 100 characters, in one line.",
      impersonating: "Only the user may do that.",
      tooLarge: "That was too long, so nothing was changed.",
    },
  },

  /** Why this browser was signed out: `endedText`. */
  ended: {
    idle: "You were signed out as you had been away for a while.",
    lifetime: "You were signed out as your last sign-in was a while ago.",
    limit: "You were signed out here as you signed in on another device.",
    ended: "You were signed out from elsewhere: by yourself on another device, or to protect your account.",
    key: "Please sign in again: your browser has lost the key of this sign-in, or this is another browser.",
  },
};
