"""The few word lists that the checking of citations rests on (French, and English where marked).

Concepts group words that say the same thing in official French, so that a faithful paraphrase
counts. A *critical* concept changes what a sentence claims (who acts, on what condition, at what
price): it has to be in the source, whatever the rest of the sentence covers.
"""


def word_list(listed: str) -> list[str]:
    """Read words written one after another."""
    return listed.split()


FUNCTION_WORDS = frozenset(
    word_list(
        """
    a à â ai ainsi alors as au aucun aucune auquel aura auront aussi autre autres aux auxquels
    avec avez avoir ayant c car ce ceci cela celle celles celui ces cet cette ceux chacun chaque
    chez ci comme comment d dans de des donc dont du durant elle elles en encore entre es est et
    étaient était étant été être eu eux fait font il ils j je jusqu l la là laquelle le les
    lesquelles lesquels leur leurs lors lorsqu lorsque lui m ma mais me même mêmes mes moi mon n
    ne ni nos notre nous on ont ou où par parmi pas pendant plus plusieurs pour pourquoi puis
    puisque qu quand que quel quelle quelles quels qui quoi s sa sans se selon sera seront ses
    si soi soient soit son sont sous sur t ta te tel telle telles tels tes toi ton tous tout
    toute toutes très tu un une va vers via voici voilà vos votre vous y lequel ensuite
    également notamment après avant afin dès depuis donné lorsque quelque quelques non jamais
    sauf hors moins jusque jusqu'à aujourd'hui the an and are as at be been being by do does did
    for from had has have he her his how i if in into is it its of on or our she so that their
    them then there these they this those to was we were what when where which who will with
    would you your yours not no any also than
    faire fais faites êtes sommes ayant avons avait aurez aura serez y
    """
    )
)

ENGLISH_HINTS = frozenset(
    word_list(
        """
    the and of to is are you your must for with from not this that be by will if they their can
    when which should have has it or an how what do does where
    """
    )
)
FRENCH_HINTS = frozenset(
    word_list(
        """
    le la les des du de et est sont vous votre pour dans par sur une un au aux que qui ne pas il
    elle se ce cette en avec doit vos quelle quel quelles quels comment faut où
    """
    )
)

LIGHT_STEMS = frozenset(
    word_list(
        """
    fair fais effectu obten obtient obtien perm permet concern cas fois lieu person person
    demarch besoin procedur situat rend rendr all ven util dispos princip general generalement
    different certain suiv particuli prev prevoi prevu consist faudr trouv savoir import simpl
    simplement bien ici voir indiqu precis document piec dossi demand present fourn
    facon mani consider signif vaut val rempl ag age
    prend vari compr arriv donn apport produir munir pren prendr pris mettr mis dit dir appel
    titr matier bout dispositif moment parm parc figur regl part profit remont intervien actuel
    chos façon facon effet sort exempl vue suit serv sert possed partir concret simpl doit cett
    make get need provid go us follow inform case person also
    """
    )
)

CONCEPTS: dict[str, str] = {
    "OBLIGATION": "tenu tenue tenus obliger oblige obligent devoir "
    "dois doit doivent devez devons devra devront devrez faut faudra falloir "
    "obligatoire obligatoires obligatoirement obligation obligé obligée obligés nécessaire "
    "nécessaires nécessairement nécessite indispensable indispensables impératif "
    "impérativement impérative exigé exigée exigés exige exiger requis requise must required "
    "mandatory",
    "PERMISSION": "pouvoir peux peut peuvent pouvez pourra pourrez pourront pouvons possible "
    "possibles possibilité autorisé autorisée autorisés autorise may can allowed",
    "SEVERAL": "plusieurs",
    "ONE_ONLY": "seul seule unique",
    "EARLIER": "avant amont auparavant antérieur antérieure",
    "LATER": "après aval postérieur postérieure ensuite",
    "CONCERNED": "concerné concernée concernés concernées concerne concernent concerner vise visé "
    "visée visés visées",
    "DECREE": "décret décrets",
    "ORDER": "arrêté arrêtés",
    "LAW": "loi lois",
    "CIRCULAR": "circulaire circulaires",
    "RENEW": "refaire refait refaite refaites renouveler renouvellement renouvelé renouvelée "
    "renouvelez renew renewal",
    "BEGIN": "commencer commence commencent débuter débute débutent début",
    "END": "terminer termine terminent fin finir finit finissent",
    "INFORM": "avertir avertissez prévenir prévenez informer informez signaler signalez aviser",
    "PAY": "payer payez payé payée payés payées paiement verser versé versée versés versées verse "
    "versement régler réglé réglée règlement",
    "EXCEED": "dépasser dépasse dépassent excéder excède excèdent",
    "RISK": "risquer risquez risque encourir encourue encouru encourez passible",
    "CONTEST": "contester contestez contestation contesté recours saisir saisissez saisi saisine",
    "RECEIVE": "percevoir perçoit percevez perçue perçu touche touchez toucher reçoit recevez "
    "recevoir recevrez reçoivent",
    "SEND": "envoyer envoie envoyé envoyée envoyez envoi transmettre transmettez transmis "
    "transmise adressée adressé",
    "GIVE": "présenter présentez présenté présentés présentées fournir fournissez fourni fournie "
    "fournis fournies apporter apportez produire joindre joindrez joignez munir remettre "
    "fournissant présentation provide",
    "GO": "adresser adressez rendre rendez rendent aller allez déplacer déplacez déplacement",
    "DELIVER": "délivrer délivré délivrée délivrés délivrance délivre délivrées établi établie "
    "établit remis remise issued issue",
    "DEPOSIT": "déposer déposé déposée dépôt déposez dépose",
    "COST": "coûte coûtent coût coûts somme sommes prix tarif tarifs montant montants "
    "coûter coûtera cost costs price",
    "DURATION": "durée délai délais dure durent durera",
    "MOVE": "déménagement déménager déménagé déménagez",
    "MISS": "absence absent manque",
    "CHANGE": "changer change changement modifier modification modifiez changez modifiée",
    "ADULT": "majeur majeure majeurs majeures adulte adultes majorité",
    "MINOR": "mineur mineure mineurs mineures minorité",
    "CHILD": "enfant enfants child children",
    "PARENT": "parent parents parental parentale",
    "MOTHER": "mère mother",
    "FATHER": "père father",
    "FREE": "gratuit gratuite gratuits gratuites gratuitement gratuité free",
    "PAYING": "payant payante payants payantes",
    "VALID": "valide valides valable valables validité valid",
    "EXPIRED": "périmé périmée périmés périmées expiré expirée expirés expired",
    "EXPIRY": "expiration expire expirer péremption",
    "ORIGINAL": "original originaux originale originales",
    "COPY": "copie copies photocopie photocopies",
    "TOWN_HALL": "mairie mairies",
    "PREFECTURE": "préfecture préfectures",
    "SUBPREFECTURE": "sous-préfecture sous-préfectures",
    "MAYOR": "maire maires",
    "PREFECT": "préfet préfets préfète",
    "CONSULATE": "consulat consulats ambassade ambassades consulaire consulaires",
    "COURT": "tribunal tribunaux",
    "JUDGE": "juge juges",
    "POLICE": "police commissariat commissariats",
    "GENDARMERIE": "gendarmerie gendarmeries",
    "NOTARY": "notaire notaires",
    "LAWYER": "avocat avocats avocate",
    "BAILIFF": "huissier huissiers",
    "MINISTER": "ministre ministère ministères",
    "EMPLOYER": "employeur employeurs",
    "EMPLOYEE": "salarié salariés salariée salariées",
    "TENANT": "locataire locataires",
    "LANDLORD": "propriétaire propriétaires bailleur bailleurs",
    "BUYER": "acheteur acheteurs acquéreur",
    "SELLER": "vendeur vendeurs",
    "DOCTOR": "médecin médecins",
    "BANK": "banque banques",
    "TAX_OFFICE": "impôts",
    "SCHOOL": "école écoles",
    "FRANCE": "france",
    "FRENCH": "français française françaises",
    "FOREIGN": "étranger étrangère étrangers étrangères",
    "SINGLE": "célibataire célibataires",
    "MARRIED": "marié mariée mariés",
    "DIVORCED": "divorcé divorcée divorcés",
    "WIDOW": "veuf veuve",
    "LOSS": "perte perdu perdue perdus perdre",
    "THEFT": "vol vole volent volé volée volés",
    "BIRTH": "né née nés nées naître naissance naissances",
    "MARRIAGE": "mariage",
    "DEATH": "décès",
    "ONLINE": "internet téléservice téléprocédure",
    "MAIL": "courrier poste postal postale",
    "PHONE": "téléphone téléphonique",
    "BEFORE_HAND": "anticipé anticipée préalable préalablement",
    "GROSS": "brut brute bruts",
    "NET": "net nette nets",
    "ACCEPT": "accepté acceptée acceptés acceptées accepter accepte",
    "REFUSE": "refusé refusée refus refuser refuse rejeté rejet",
    "WITHDRAW": "retirer retiré retirée retrait",
    "WRITTEN": "écrit écrite",
    "ORAL": "oral orale oralement verbal verbale verbalement",
    "LAST": "dernier dernière derniers dernières",
    "FIRST": "premier première premiers premières",
    "MAXIMUM": "maximum maximale maximal",
    "MINIMUM": "minimum minimale minimal",
    "INCREASE": "augmenter augmente augmentation augmenté hausse majoré majoration",
    "DECREASE": "diminuer diminue diminution diminué baisse réduit réduire réduction",
    "ALWAYS": "toujours",
    "ONLY": "seuls seules uniquement seulement exclusivement only",
    "ON_REQUEST": "sur-demande",
    "AUTOMATIC": "automatique automatiquement",
    "IMMEDIATE": "immédiat immédiate immédiatement",
    "YEAR": "an ans année années annuel annuelle annuellement year years",
    "MONTH": "mois mensuel mensuelle mensuellement month months",
    "WEEK": "semaine semaines hebdomadaire week weeks",
    "DAY": "jour jours quotidien quotidienne quotidiennement day days",
    "PUBLIC": "public publics publique",
    "PRIVATE": "privé privée privés",
    "TEMPORARY": "provisoire temporaire",
    "DEFINITIVE": "définitif définitive définitivement permanent",
}

CRITICAL = frozenset(CONCEPTS) - frozenset(
    word_list(
        """
    BEGIN END INFORM PAY EXCEED RISK CONTEST RECEIVE OBLIGATION PERMISSION RENEW SEND GIVE GO
    DELIVER DEPOSIT COST DURATION MOVE MISS CHANGE EXPIRY CHILD FIRST BEFORE_HAND CONCERNED SEVERAL
    ONE_ONLY EARLIER LATER DAY WEEK MONTH YEAR MAXIMUM MINIMUM
    """
    )
)

MODALS = frozenset({"OBLIGATION", "PERMISSION", "CONCERNED"})
"""Concepts that say little by themselves but whose denial changes everything."""

ENTITY_STEMS = frozenset(
    word_list(
        """
    retrait stagiair benevol etudi chomeur apprent fonctionnair contractuel assureur region
    syndic syndical infirmi inspecteur mediateur procureur greffi pharmacien psychiatr directeur
    president curateur tuteur pompier gardien actionnair agriculteur artisan commerc orphelin
    urssaf dentist professeur detenu militair deput senateur electeur mutuel touriste
    """
    )
)
"""Stems of people and bodies: like a critical concept, none may be claimed that isn't there."""

PEOPLE = ENTITY_STEMS | frozenset(
    word_list(
        """
    ADULT MINOR CHILD PARENT MOTHER FATHER TOWN_HALL PREFECTURE SUBPREFECTURE MAYOR PREFECT
    CONSULATE COURT JUDGE POLICE GENDARMERIE NOTARY LAWYER BAILIFF MINISTER EMPLOYER EMPLOYEE
    TENANT LANDLORD BUYER SELLER DOCTOR BANK TAX_OFFICE SCHOOL WIDOW
    """
    )
)
"""Keys of those who act: a sentence that names one can't be lent the words said of another."""

LIGHT_CONCEPTS = frozenset(
    word_list(
        """
    RECEIVE RISK OBLIGATION PERMISSION GIVE GO COST DURATION DELIVER CONCERNED
    SEVERAL ONE_ONLY EARLIER LATER DAY WEEK MONTH YEAR MAXIMUM MINIMUM FIRST
    """
    )
)


def _inflected(word: str) -> tuple[str, ...]:
    if word.endswith("é"):
        return (word, f"{word}e", f"{word}s", f"{word}es")
    return (word,) if word.endswith(("s", "x", "z", "r", "t")) else (word, f"{word}s")


_DENIALS: dict[str, str] = {
    **dict.fromkeys(
        word_list("facultatif facultative facultatifs optionnel optional"), "OBLIGATION"
    ),
    **dict.fromkeys(
        word_list("limité limitée limités limitées plafonné plafonnée plafonnés"), "EXCEED"
    ),
    **dict.fromkeys(word_list("insuffisant insuffisante insuffisamment"), "suffis"),
    **dict.fromkeys(word_list("irrecevable"), "recev"),
    **dict.fromkeys(word_list("incomplet incomplète incomplets"), "complet"),
    **dict.fromkeys(word_list("incompétent incompétente"), "competent"),
    **dict.fromkeys(word_list("illégal illégale illégaux illégalement"), "legal"),
    **dict.fromkeys(word_list("inexact inexacte"), "exact"),
    **dict.fromkeys(word_list("injustifié"), "justifi"),
    **dict.fromkeys(word_list("impayé"), "PAY"),
    **dict.fromkeys(word_list("inchangé"), "CHANGE"),
    **dict.fromkeys(word_list("exclu exclue exclus exclues"), "CONCERNED"),
    **dict.fromkeys(
        word_list("dispensé dispense dispensée exempté exonéré exonération"), "OBLIGATION"
    ),
    **dict.fromkeys(
        word_list(
            """
    interdit interdite interdits interdiction impossible impossibilité forbidden
    """
        ),
        "PERMISSION",
    ),
}

NEGATIVE_WORDS: dict[str, str] = {
    form: concept for word, concept in _DENIALS.items() for form in _inflected(word)
}
"""Words that deny a concept by themselves."""

OPPOSITES: tuple[frozenset[str], ...] = tuple(
    frozenset(word_list(group))
    for group in (
        "ADULT MINOR",
        "MOTHER FATHER",
        "FREE PAYING",
        "VALID EXPIRED",
        "ORIGINAL COPY",
        "TOWN_HALL PREFECTURE SUBPREFECTURE CONSULATE COURT POLICE GENDARMERIE",
        "MAYOR PREFECT JUDGE MINISTER",
        "EMPLOYER EMPLOYEE",
        "TENANT LANDLORD",
        "BUYER SELLER",
        "FRENCH FOREIGN",
        "FRANCE FOREIGN",
        "SINGLE MARRIED DIVORCED WIDOW",
        "LOSS THEFT",
        "BIRTH MARRIAGE DEATH",
        "GROSS NET",
        "ACCEPT REFUSE",
        "DEPOSIT WITHDRAW",
        "WRITTEN ORAL",
        "FIRST LAST",
        "MAXIMUM MINIMUM",
        "INCREASE DECREASE",
        "YEAR MONTH WEEK DAY",
        "PUBLIC PRIVATE",
        "TEMPORARY DEFINITIVE",
        "SEVERAL ONE_ONLY",
        "DECREE ORDER LAW CIRCULAR",
    )
)


CONCEPT_OF: dict[str, str] = {
    form: concept
    for concept, words in CONCEPTS.items()
    for word in word_list(words)
    for form in _inflected(word)
} | NEGATIVE_WORDS
"""Concept of each word form that has one."""
