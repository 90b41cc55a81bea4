"""How people ask in French and English: the forms that `conversation` reads.

All are matched against text in lower case without accents, typography made plain.
"""

import re

from chappe.assistant.lexicon import word_list
from chappe.assistant.matching import strip_accents

LEAD_IN = re.compile(
    r"^(?:(?:bonjour|bonsoir|merci|d'accord|ok|tres bien|parfait|hello|hi|thanks)\b[\s,!.:-]*)+"
)
AND = re.compile(r"^(?:et|mais|alors|donc|ensuite|sinon|aussi|puis|and|but|so|then)\b(?!-)[\s,:]*")
QUALIFIES = re.compile(
    r"^(?:pour|si|en|a|au|aux|dans|avec|sans|chez|sur|lorsque|depuis|apres|avant|s'ils?|s'elle|de|du"
    r"|des|d'|for|if|in|with|without|at)\b(?!-)"
    r"(?!\s+(?:quel|quelle|quels|quelles|qui|quoi|combien|quand|lequel|laquelle|what|which|whom)\b)"
)
REPEATS = re.compile(
    r"^(?:meme (?:chose|question)|pareil|idem|qu'en est-il|quid|what about|how about|same)\b[\s,]*"
)
OF_PERSON = re.compile(
    r",?\s*\b(?:pour|for) (?:une?|les?|la|l'|mon|ma|mes|an?|the|my)\s?[\w-]+(?: [\w-]+)?$"
)
REWRITTEN = re.compile(r"^(?P<lead>[^()]+?)\s*\((?P<topic>.+)\)\s*\?$")
POINTS_BACK = re.compile(
    r"\b(?:ca|cela|ceci|celui-ci|celle-ci|ceux-ci|celles-ci|celui-la|celle-la|dans ce cas|"
    r"ce (?:document|titre|delai|droit|cas|montant|formulaire|conge|contrat|prix|dossier|service)|"
    r"cet(?:te)? (?:demarche|demande|aide|allocation|prime|carte|piece|procedure|attestation|"
    r"indemnite|somme|decision|prestation|regle|obligation|article)|"
    r"ces (?:documents|pieces|delais|conditions|demarches|droits|aides|regles|articles)|"
    r"it|this|that|these|those|them)\b"
    r"|-(?:il|elle|ils|elles|le|la|les|lui|leur|y|en)\b"
    r"|^(?:est-ce qu')?(?:il|elle|ils|elles)\b"
    r"|\b(?:comment|ou|quand|qui peut|peut-on|puis-je|dois-je|faut-il|on peut|je peux|pour)"
    r"\s+(?:le|la|les|l'|y|en|lui)\s+\w+(?:er|ir|re|oir)\b"
)
BARE_NOUN = re.compile(r"^(?:a |dans |pour |de )?quel(?:le)?s? [\w'-]+\s*\??$")
# What may be asked of anything: a question with nothing else has its topic before it.
ASKED = frozenset(
    map(
        strip_accents,
        word_list(
            """
    prix coût coûte coûter coûtera combien tarif montant payer paye paie gratuit gratuite payant
    heure heures minimum maximum délai délais durée temps longtemps attente jours mois date dates
    quand moment échéance pièce pièces document documents justificatif justificatifs dossier
    papiers papier formulaire formulaires cerfa condition conditions critère critères droit droits
    démarche démarches procédure étape étapes adresse où aller s'adresser adresser contact
    contacter qui quoi comment pourquoi fournir joindre apporter prévoir faire fait faut savoir
    obligatoire nécessaire possible faisable recours contester refus refusé refusée ligne internet
    exception exceptions sanction sanctions risque risques article loi texte textes base légal
    légale plus détail détails exemple exemples précision précisions information informations
    demander demande obtenir obtient obtenu recevoir reçoit toucher perçoit percevoir renouveler
    renouvellement valable valide validité ça cela ceci
    price cost much long many time documents needed need required conditions where when how who
    why what deadline fee online free address form apply pay
    """
        ),
    )
)
LEAD = re.compile(
    r"^(?:(?:pouvez-vous|peux-tu|pourriez-vous) (?:me )?(?:dire|expliquer|preciser|indiquer)\s+)?"
    r"(?:quel(?:le)?s?\s+(?:sont|est|etait|etaient|seront)\s+(?:les?|la|l')\s*[\w'-]+(?:\s+(?:a|d')"
    r"\s*\w+)?\s+(?:pour|d[eu]s?|d')\s*"
    r"|quel(?:le)?s?\s+[\w-]+(?:\s+[\w-]+)?\s+(?:pour|d[eu]s?|d')\s*"
    r"|quel(?:le)?s?\s+[\w-]+\s+(?:faut-il|dois-je|doit-on|est-ce qu(?:e |')\s*\w+)"
    r"[\w\s-]{0,30}?\s+pour\s+"
    r"|(?:combien|comment|ou|quand|pourquoi|qui|que|qu'|quoi|a qui|aupres de qui)\b[\s-]*"
    r"(?:(?:est-ce qu(?:e |'))?(?:coutent?|temps|faut-il|dure(?:nt)?|doit-on|dois-je|puis-je|"
    r"peut-on|peut|doit|faire|on|je|il faut)\b[\s-]*){0,3}(?:pour\s+|d[eu]\s+)?"
    r"|(?:est-ce qu(?:e |'))?(?:puis-je|peut-on|dois-je|doit-on|faut-il|ai-je|je peux|on peut|"
    r"je dois|j'ai)\s+"
    r"(?:le droit (?:de |d'))?"
    r"|(?:how|what|where|when|who|which|can|do|does|is|are)\b(?:\s+(?:much|many|long|do|does|is|are|"
    r"can|should|must|i|you|the|to|it|cost|takes?))*\s+)"
)
SHORT_LEAD = re.compile(
    r"^(?:quel(?:le)?s?\s+(?:sont|est|etait|etaient|seront)\s+|comment\s+|ou\s+|combien\s+|quand\s+|"
    r"est-ce qu(?:e\s+|')|what (?:is|are)\s+|how\s+)"
)
