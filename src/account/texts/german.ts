import type { Texts } from "./table.ts";

/** The texts in German. */
export const german: Texts = {
  locale: "de",
  browserOn: "{browser} auf {system}",
  moment: "{time} ({timeZone})",
  factors: { password: "Passwort", otp: "Authenticator-App", passkey: "Passkey" },
  methods: { password: "Passwort", otp: "Einmalcode", sms: "Code per SMS", pin: "PIN", passkey: "Passkey" },

  notices: {
    unknownBrowser: "unbekannter Browser",
    unknownAddress: "unbekannte Adresse",
    origin: "{browser}, {address}",
    originPlace: "{browser}, {address} ({place})",
    when: "Zeitpunkt: {moment}",
    from: "von: {origin}",
  },
  theft: {
    subject: "{site}: Jemand anderes hat Ihre Anmeldung benutzt",
    what:
      "Zwei Browser haben dieselbe Anmeldung bei Ihrem Konto bei {site} benutzt: Einer von beiden hat eine Kopie des " +
      "Cookies des anderen. Beide wurden sofort abgemeldet.",
    noticed: "bemerkt: {moment}",
    usedBefore: "zuvor benutzt: {moment}",
    whose: "Einer der beiden kann Ihr eigener Browser sein.",
    advice:
      "Das sollten Sie tun: Prüfen Sie Ihre Geräte auf Schadsoftware, denn so werden Cookies kopiert. Melden Sie sich " +
      "danach neu an, ändern Sie Ihr Passwort, und melden Sie Geräte ab, die Sie nicht kennen.",
  },
  newDevice: {
    subject: "{site}: Neue Anmeldung bei Ihrem Konto",
    what: "Jemand hat sich bei Ihrem Konto bei {site} angemeldet, mit einem Browser, der dafür noch nie benutzt wurde.",
    advice:
      "Wenn Sie das waren, ist nichts zu tun. Wenn nicht, kennt jemand Ihr Passwort: Ändern Sie es, und melden Sie " +
      "Geräte ab, die Sie nicht kennen.",
  },
  credentialChanged: {
    subject: "{site}: {factor} geändert",
    what: "Bei Ihrem Konto bei {site} wurde Folgendes geändert: {factor}.",
    noneEnded: "Auf keinem anderen Gerät waren Sie angemeldet.",
    ended: { one: "Ein anderes Gerät wurde abgemeldet.", other: "{count} andere Geräte wurden abgemeldet." },
    advice:
      "Wenn Sie das nicht waren, hat jemand Zugang zu Ihrem Konto: Setzen Sie Ihr Passwort zurück, und melden Sie sich " +
      "bei uns.",
    unknownFactor: "Anmeldeverfahren",
  },
  impersonation: {
    subject: "{site}: Unser Support benutzt Ihr Konto",
    what: "Jemand vom Support von {site} benutzt gerade Ihr Konto in Ihrem Namen.",
    until: "längstens bis: {moment}",
    advice: "Wenn Sie nicht um Hilfe gebeten haben, melden Sie sich bei uns.",
  },

  devices: {
    title: "Ihre Geräte",
    lead: "Browser und Apps, die bei Ihrem Konto angemeldet sind. Melden Sie Geräte ab, die Sie nicht kennen oder nicht mehr benutzen.",
    unknownBrowser: "Unbekannter Browser",
    unknownPlace: "Unbekannt",
    thisDevice: "Dieses Gerät",
    browser: "Browser",
    place: "Ort",
    placeAddress: "{place} ({address})",
    lastSeen: "Zuletzt benutzt",
    firstSeen: "Zuerst benutzt",
    signedInBy: "Angemeldet mit",
    remembered: "Bleibt angemeldet",
    rememberedUntil: "Auch nachdem Sie den Browser geschlossen haben, bis {time}",
    trusted: "Vertrauenswürdig",
    trustedUntil: "Kein zweiter Schritt bei der Anmeldung bis {time}",
    bound: "Geschützt",
    boundSince: "Vor kopierten Cookies, seit {time}",
    notSignedIn: "Hier ist niemand angemeldet",
    times: "Alle Zeiten gelten für die Zeitzone {timeZone}.",
    name: "Name",
    saveName: "Namen speichern",
    end: "Abmelden",
    endTrust: "Nicht mehr vertrauen",
    endOthers: "Alle anderen Geräte abmelden",
    endAll: "Überall abmelden, auch hier",
    impersonating: "Sie handeln im Namen dieses Benutzers. Nur der Benutzer selbst kann Geräte benennen.",
    done: {
      ended: "Das Gerät wurde abgemeldet.",
      gone: "Dieses Gerät war bereits abgemeldet.",
      named: "Der Name wurde gespeichert.",
      nothingEnded: "Kein anderes Gerät war angemeldet.",
      othersEnded: {
        one: "Ein anderes Gerät wurde abgemeldet.",
        other: "{count} andere Geräte wurden abgemeldet.",
      },
    },
    problems: {
      signIn: "Bitte melden Sie sich zuerst an.",
      crossSite:
        "Diese Anfrage kam von einer anderen Website, deshalb wurde nichts geändert. Bitte versuchen Sie es auf dieser Seite noch einmal.",
      confirm: "Bitte bestätigen Sie zuerst Ihr Passwort.",
      invalid:
        "Das haben wir nicht verstanden, deshalb wurde nichts geändert. Bitte versuchen Sie es noch einmal.",
      invalidName: "Ein Name hat höchstens 100 Zeichen, in einer Zeile.",
      impersonating: "Das darf nur der Benutzer selbst.",
      tooLarge: "Das war zu lang, deshalb wurde nichts geändert.",
    },
  },

  ended: {
    idle: "Sie wurden abgemeldet, weil Sie eine Weile nicht hier waren.",
    lifetime: "Sie wurden abgemeldet, weil Ihre letzte Anmeldung eine Weile her ist.",
    limit: "Sie wurden hier abgemeldet, weil Sie sich auf einem anderen Gerät angemeldet haben.",
    ended:
      "Sie wurden von anderer Stelle aus abgemeldet: von Ihnen selbst auf einem anderen Gerät oder zum Schutz Ihres Kontos.",
    key: "Bitte melden Sie sich erneut an: Ihr Browser hat den Schlüssel dieser Anmeldung verloren, oder dies ist ein anderer Browser.",
  },
};
