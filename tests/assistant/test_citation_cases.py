import pytest

from chappe.assistant.citations import Source, check_answer
from chappe.assistant.sentences import split_sentences

SHEETS = {
    "vehicle": (
        Source(
            1,
            "Le changement d'adresse sur la carte grise doit être déclaré dans le mois qui suit "
            "le déménagement. La démarche se fait en ligne, elle ne peut plus être effectuée en "
            "préfecture. "
            "Vous risquez une amende de 135 € si vous ne respectez pas ce délai.\n"
            "Pour un véhicule immatriculé avec un numéro récent, une étiquette à coller sur le "
            "certificat vous est envoyée par courrier. Après le 4e changement d'adresse, un "
            "nouveau certificat vous est remis ; son envoi coûte 2,76 €. "
            "Documents à numériser :\n"
            "Justificatif de domicile de moins de 6 mois\n"
            "Certificat d'immatriculation\n"
            "Permis de conduire du titulaire",
            "Carte grise : changement d'adresse",
        ),
        Source(
            2,
            "L'acte de naissance peut être demandé par toute personne majeure, pour elle-même. "
            "Une copie intégrale ne peut être obtenue que par la personne concernée, son époux, "
            "ses parents ou ses enfants. "
            "La demande est gratuite.\n"
            "Si la naissance a eu lieu en France, il faut s'adresser à la mairie du lieu de "
            "naissance. Si elle a eu lieu à l'étranger, la demande est à faire auprès du service"
            " central d'état civil de Nantes. "
            "L'extrait sans filiation est délivré à toute personne, sans qu'elle ait à justifier"
            " sa demande. "
            "Le délai de réponse varie de 3 à 15 jours.",
            "Demande d'acte de naissance",
        ),
        Source(
            3,
            "Si le dossier est incomplet, l'administration vous indique les pièces manquantes et"
            " fixe un délai pour les transmettre. "
            "La décision de refus doit être motivée. Elle mentionne les voies et délais de "
            "recours. "
            "Vous pouvez saisir le tribunal administratif dans les 2 mois qui suivent la "
            "notification du refus. "
            "Le recours ne suspend pas l'exécution de la décision, sauf si un texte le prévoit.\n"
            "L'avocat n'est pas obligatoire devant le tribunal administratif pour ce recours.",
            "Refus de l'administration : recours",
        ),
        Source(
            4,
            "Le bénéficiaire doit avoir au moins 25 ans et résider en France de manière stable. "
            "Aucune condition d'âge n'est exigée pour la personne enceinte. "
            "Le montant forfaitaire est de 607,75 € pour une personne seule et de 911,63 € pour "
            "un couple sans enfant. "
            "La demande est à déposer auprès de la CAF. L'allocation est versée chaque mois à "
            "terme échu. "
            "Toute modification de situation est à signaler dans un délai de 15 jours.",
            "Allocation de base",
        ),
    ),
    "leave": (
        Source(
            1,
            "Le congé de maternité débute 6 semaines avant la date présumée de l'accouchement et"
            " se termine 10 semaines après. "
            "À partir du troisième enfant, la durée totale est portée à 26 semaines.\n"
            "Vous devez avertir votre employeur par lettre recommandée avec avis de réception, "
            "en précisant le motif de l'absence et la date à laquelle vous comptez reprendre le "
            "travail. "
            "L'employeur ne peut pas rompre le contrat pendant le congé.\n"
            "Les indemnités journalières sont versées par la CPAM tous les 14 jours. Leur "
            "montant maximum est de 89,03 € par jour.",
            "Congé de maternité",
        ),
        Source(
            2,
            "Le dépôt de garantie ne peut pas dépasser un mois de loyer hors charges pour un "
            "logement vide. "
            "Pour un logement meublé, il est limité à 2 mois de loyer hors charges.\n"
            "Le propriétaire doit restituer le dépôt dans un délai d'un mois si l'état des lieux"
            " de sortie est conforme à l'état des lieux d'entrée. Dans le cas contraire, le "
            "délai est de deux mois. "
            "En cas de retard, la somme est majorée de 10 % du loyer mensuel pour chaque mois "
            "commencé. "
            "Le locataire peut saisir gratuitement la commission de conciliation avant d'aller "
            "devant le juge.",
            "Dépôt de garantie",
        ),
        Source(
            3,
            "Pour conduire un cyclomoteur, il faut avoir au moins 14 ans et être titulaire du "
            "permis AM. "
            "La formation dure au minimum 8 heures. Elle est dispensée par une auto-école agréée.\n"
            "Avant la formation, vous devez obtenir l'attestation scolaire de sécurité routière "
            "de niveau 1 ou de niveau 2. "
            "Les personnes nées avant le 1er janvier 1988 peuvent conduire un cyclomoteur sans "
            "permis. "
            "Le port d'un casque homologué et de gants est obligatoire.\n"
            "Le non-port du casque est puni d'une amende de 135 € et d'un retrait de 3 points.",
            "Conduite d'un cyclomoteur",
        ),
        Source(
            4,
            "Vous pouvez vous pacser à la mairie ou chez un notaire.\n"
            "Les documents à présenter sont les suivants :\n"
            "Convention de Pacs\n"
            "Déclaration conjointe (formulaire cerfa n° 15725*03)\n"
            "Acte de naissance de moins de 3 mois pour le Français né en France\n"
            "Pièce d'identité en cours de validité\n"
            "L'enregistrement en mairie est gratuit. Chez le notaire, il faut compter 84,14 € "
            "d'émoluments. "
            "Le Pacs produit ses effets entre les partenaires à la date de son enregistrement. "
            "Il n'est opposable aux tiers qu'à compter de sa publication à l'état civil.",
            "Pacs : conclusion",
        ),
    ),
    "grant": (
        Source(
            1,
            "L'aide est accordée si vos ressources de l'année précédente ne dépassent pas 9 000 "
            "€ pour une personne seule. "
            "Elle n'est pas cumulable avec la bourse sur critères sociaux.\n"
            "La demande se fait auprès du centre communal d'action sociale (CCAS), au moins 1 "
            "mois avant la rentrée. "
            "Le CCAS répond dans les 15 jours. L'absence de réponse vaut rejet.\n"
            "Pièces à joindre :\n"
            "Dernier avis d'imposition\n"
            "Relevé d'identité bancaire\n"
            "Certificat de scolarité de l'année en cours",
            "Aide à la rentrée",
        ),
        Source(
            2,
            "Vous pouvez résilier votre assurance habitation à tout moment après 1 an de "
            "contrat, sans frais ni pénalité. "
            "L'assureur doit vous rembourser la part de cotisation non utilisée dans les 30 "
            "jours. "
            "En cas de déménagement, la résiliation doit être demandée dans les 3 mois par "
            "lettre recommandée. "
            "Le locataire est obligé d'assurer son logement contre les risques locatifs. Le "
            "propriétaire occupant n'y est pas tenu, sauf en copropriété.",
            "Assurance habitation : résiliation",
        ),
        Source(
            3,
            "Le contrôle technique est obligatoire pour les voitures de plus de 4 ans. Il doit "
            "être renouvelé tous les 2 ans. "
            "Le premier contrôle a lieu dans les 6 mois qui précèdent le 4e anniversaire de la "
            "mise en circulation. "
            "En cas de défaillance majeure, une contre-visite est à réaliser dans les 2 mois.\n"
            "Les véhicules de collection immatriculés avant 1960 en sont dispensés.\n"
            "Le prix est libre : chaque centre fixe ses tarifs.\n"
            "Rouler sans contrôle technique valide expose à une amende de 135 €.",
            "Contrôle technique",
        ),
    ),
    "building": (
        Source(
            1,
            "Le permis de construire est obligatoire pour une construction de plus de 20 m² de "
            "surface de plancher. "
            "En dessous de ce seuil, une déclaration préalable de travaux suffit.\n"
            "Le dossier est à envoyer en mairie en 4 exemplaires. La mairie a 2 mois pour "
            "instruire une demande concernant une maison individuelle. "
            "Le permis est valable 3 ans. Il peut être prolongé deux fois pour une durée d'un an.\n"
            "Le recours à un architecte n'est pas obligatoire si la surface de plancher ne "
            "dépasse pas 150 m².",
            "Permis de construire",
        ),
        Source(
            2,
            "Le chèque énergie est envoyé automatiquement par voie postale aux foyers éligibles,"
            " au mois d'avril. Aucune démarche n'est à accomplir. "
            "Son montant varie de 48 € à 277 € selon les ressources et la composition du foyer.\n"
            "Il permet de régler les factures de gaz, d'électricité ou de fioul. Il ne peut pas "
            "être encaissé auprès d'une banque. "
            "Le chèque est utilisable jusqu'au 31 mars 2027.\n"
            "En cas de vol, il faut contacter le service d'assistance au 0 805 204 805 (appel "
            "gratuit).",
            "Chèque énergie",
        ),
    ),
}

FAITHFUL = [
    (
        "vehicle",
        "Il faut déclarer le changement d'adresse dans le mois qui suit le déménagement [1].",
    ),
    ("vehicle", "La démarche ne se fait plus en préfecture mais en ligne [1]."),
    ("vehicle", "Une amende de 135 euros est encourue en cas de non-respect de ce délai [1]."),
    (
        "vehicle",
        "Vous recevrez par courrier une étiquette à coller sur votre certificat "
        "d'immatriculation [1].",
    ),
    (
        "vehicle",
        "Il faut numériser un justificatif de domicile de moins de 6 mois, le certificat "
        "d'immatriculation et le permis de conduire [1].",
    ),
    ("vehicle", "- Le permis de conduire du titulaire [1]"),
    ("vehicle", "Toute personne majeure peut demander son acte de naissance [2]."),
    ("vehicle", "La demande d'acte de naissance est gratuite [2]."),
    (
        "vehicle",
        "Si vous êtes né en France, adressez-vous à la mairie de votre lieu de naissance [2].",
    ),
    (
        "vehicle",
        "Pour une naissance à l'étranger, il faut s'adresser au service central d'état "
        "civil de Nantes [2].",
    ),
    ("vehicle", "La réponse arrive dans un délai de 3 à 15 jours [2]."),
    (
        "vehicle",
        "Si votre dossier est incomplet, l'administration vous demande les pièces manquantes [3].",
    ),
    ("vehicle", "L'administration doit motiver sa décision de refus [3]."),
    ("vehicle", "Le refus doit être motivé et mentionner les voies et délais de recours [3]."),
    (
        "vehicle",
        "Vous disposez de deux mois après la notification du refus pour saisir le "
        "tribunal administratif [3].",
    ),
    (
        "vehicle",
        "Vous pouvez contester le refus devant le tribunal administratif dans un délai de"
        " 2 mois [3].",
    ),
    (
        "vehicle",
        "Vous n'êtes pas obligé de prendre un avocat devant le tribunal administratif [3].",
    ),
    ("vehicle", "Le recours ne suspend pas l'exécution de la décision [3]."),
    ("vehicle", "Il faut avoir au moins 25 ans et résider en France de façon stable [4]."),
    ("vehicle", "Pour une personne enceinte, aucune condition d'âge n'est exigée [4]."),
    ("vehicle", "Il n'y a pas de condition d'âge si vous êtes enceinte [4]."),
    ("vehicle", "Le montant est de 607,75 € pour une personne seule [4]."),
    ("vehicle", "Une personne seule touche 607,75 € et un couple sans enfant 911,63 € [4]."),
    ("vehicle", "Vous devez déposer votre demande à la CAF [4]."),
    ("vehicle", "L'allocation est versée tous les mois [4]."),
    ("vehicle", "Signalez tout changement de situation dans les 15 jours [4]."),
    ("vehicle", "Le montant forfaitaire est « de 607,75 € pour une personne seule » [4]."),
    (
        "leave",
        "Le congé maternité commence 6 semaines avant la date présumée de l'accouchement [1].",
    ),
    ("leave", "Il prend fin 10 semaines après l'accouchement [1]."),
    ("leave", "Pour un troisième enfant, le congé dure 26 semaines au total [1]."),
    ("leave", "À partir du 3e enfant, la durée totale du congé est de 26 semaines [1]."),
    (
        "leave",
        "Vous devez prévenir votre employeur par lettre recommandée avec avis de réception [1].",
    ),
    (
        "leave",
        "La lettre doit préciser le motif de l'absence et la date de reprise du travail [1].",
    ),
    ("leave", "Les indemnités journalières sont payées par la CPAM tous les 14 jours [1]."),
    ("leave", "Le montant maximum des indemnités journalières est de 89,03 € par jour [1]."),
    (
        "leave",
        "Pour un logement vide, le dépôt de garantie est limité à un mois de loyer hors "
        "charges [2].",
    ),
    (
        "leave",
        "Le dépôt de garantie ne peut dépasser un mois de loyer hors charges pour un "
        "logement vide [2].",
    ),
    (
        "leave",
        "Pour un meublé, le dépôt de garantie ne peut pas dépasser 2 mois de loyer hors "
        "charges [2].",
    ),
    (
        "leave",
        "Le bailleur a un mois pour rendre le dépôt si l'état des lieux de sortie est "
        "conforme à celui d'entrée [2].",
    ),
    (
        "leave",
        "Le propriétaire doit rendre le dépôt de garantie dans un délai d'un mois si "
        "l'état des lieux de sortie est conforme à l'état des lieux d'entrée [2].",
    ),
    ("leave", "Le délai est de deux mois dans le cas contraire [2]."),
    (
        "leave",
        "En cas de retard, le montant est majoré de 10 % du loyer mensuel par mois commencé [2].",
    ),
    ("leave", "Il faut être âgé d'au moins 14 ans pour conduire un cyclomoteur [3]."),
    ("leave", "Vous devez avoir le permis AM pour conduire un cyclomoteur [3]."),
    ("leave", "La formation dure au moins 8 heures [3]."),
    (
        "leave",
        "Vous devez avoir obtenu l'attestation scolaire de sécurité routière (niveau 1 ou"
        " 2) avant la formation [3].",
    ),
    (
        "leave",
        "Si vous êtes né avant le 1er janvier 1988, vous pouvez conduire un cyclomoteur "
        "sans permis [3].",
    ),
    ("leave", "Le casque homologué et les gants sont obligatoires [3]."),
    (
        "leave",
        "Si vous ne portez pas de casque, vous risquez une amende de 135 € et un retrait "
        "de 3 points [3].",
    ),
    ("leave", "Le non-port du casque est puni d'une amende de 135 euros [3]."),
    (
        "leave",
        "Vous devez fournir une convention de Pacs, une déclaration conjointe (cerfa n° "
        "15725*03) et une pièce d'identité en cours de validité [4].",
    ),
    ("leave", "- Acte de naissance de moins de 3 mois [4]"),
    ("leave", "L'enregistrement du Pacs en mairie est gratuit [4]."),
    ("leave", "Chez un notaire, le coût est de 84,14 € [4]."),
    ("leave", "Le Pacs prend effet entre les partenaires à la date de son enregistrement [4]."),
    ("leave", "Il n'est opposable aux tiers qu'après sa publication à l'état civil [4]."),
    (
        "leave",
        "Le Pacs n'est opposable aux tiers qu'à compter de sa publication à l'état civil [4].",
    ),
    (
        "leave",
        "L'acte de naissance doit dater de moins de trois mois pour un Français né en France [4].",
    ),
    (
        "grant",
        "Vos ressources de l'année précédente ne doivent pas dépasser 9000 euros si vous "
        "vivez seul [1].",
    ),
    ("grant", "Cette aide ne peut pas être cumulée avec la bourse sur critères sociaux [1]."),
    ("grant", "Il faut faire la demande au CCAS au moins un mois avant la rentrée [1]."),
    (
        "grant",
        "Joignez votre dernier avis d'imposition, un relevé d'identité bancaire et un "
        "certificat de scolarité [1].",
    ),
    (
        "grant",
        "Après un an de contrat, vous pouvez résilier votre assurance habitation à tout "
        "moment et sans frais [2].",
    ),
    ("grant", "L'assureur a 30 jours pour vous rembourser la part de cotisation non utilisée [2]."),
    (
        "grant",
        "Si vous déménagez, vous devez demander la résiliation dans les trois mois par "
        "lettre recommandée [2].",
    ),
    ("grant", "Le locataire doit assurer son logement contre les risques locatifs [2]."),
    ("grant", "Le contrôle technique est obligatoire pour une voiture de plus de quatre ans [3]."),
    ("grant", "Il faut le renouveler tous les deux ans [3]."),
    ("grant", "Le contrôle technique doit être refait tous les 2 ans [3]."),
    (
        "grant",
        "Le premier contrôle se fait dans les 6 mois avant le 4e anniversaire de la mise "
        "en circulation [3].",
    ),
    ("grant", "En cas de défaillance majeure, vous avez 2 mois pour faire une contre-visite [3]."),
    ("grant", "Les véhicules de collection d'avant 1960 sont dispensés de contrôle technique [3]."),
    ("grant", "Chaque centre fixe librement ses tarifs [3]."),
    ("grant", "Sans contrôle technique valide, vous risquez une amende de 135 € [3]."),
    (
        "building",
        "Un permis de construire est nécessaire pour toute construction de plus de 20 m² [1].",
    ),
    ("building", "Envoyez votre dossier à la mairie en quatre exemplaires [1]."),
    ("building", "Pour une maison individuelle, la mairie instruit la demande en 2 mois [1]."),
    ("building", "Le permis de construire est valable pendant trois ans [1]."),
    ("building", "Il peut être prolongé deux fois d'un an [1]."),
    (
        "building",
        "Vous n'avez pas besoin d'un architecte si la surface de plancher ne dépasse pas "
        "150 m² [1].",
    ),
    (
        "building",
        "Le chèque énergie est envoyé automatiquement par la poste aux foyers éligibles [2].",
    ),
    ("building", "Vous n'avez aucune démarche à faire [2]."),
    (
        "building",
        "Le montant du chèque énergie va de 48 à 277 euros selon vos ressources et la "
        "composition de votre foyer [2].",
    ),
    (
        "building",
        "Vous pouvez payer vos factures de gaz, d'électricité ou de fioul avec ce chèque [2].",
    ),
    ("building", "Le chèque énergie ne peut pas être encaissé à la banque [2]."),
    ("building", "Vous pouvez l'utiliser jusqu'au 31 mars 2027 [2]."),
    (
        "building",
        "Si on vous vole votre chèque, contactez le service d'assistance au 0 805 204 805 [2].",
    ),
    ("building", "L'appel au service d'assistance est gratuit [2]."),
    (
        "vehicle",
        "À partir du quatrième changement d'adresse, un nouveau certificat vous est "
        "envoyé pour 2,76 € [1].",
    ),
    ("leave", "Le Pacs peut être conclu à la mairie ou chez un notaire [4]."),
    ("grant", "Sans réponse, la demande est considérée comme rejetée [1]."),
]

TOO_FREE = [
    (
        "vehicle",
        "Vous avez un mois après votre déménagement pour déclarer votre nouvelle adresse [1].",
    ),
    (
        "vehicle",
        "L'extrait sans filiation peut être délivré à toute personne sans justification [2].",
    ),
    ("vehicle", "Le délai de réponse est compris entre 3 et 15 jours [2]."),
    ("vehicle", "Vous devez être âgé d'au moins 25 ans [4]."),
    ("vehicle", "Un couple sans enfant perçoit 911,63 € [4]."),
    ("leave", "Pendant le congé, l'employeur ne peut pas rompre le contrat de travail [1]."),
    (
        "leave",
        "La commission de conciliation peut être saisie gratuitement par le locataire "
        "avant le juge [2].",
    ),
    ("grant", "L'absence de réponse signifie un rejet [1]."),
    (
        "grant",
        "Un propriétaire occupant n'est pas tenu d'assurer son logement, sauf en copropriété [2].",
    ),
    ("vehicle", "Cette démarche s'effectue uniquement en ligne et non plus en préfecture [1]."),
    (
        "vehicle",
        "Seuls la personne concernée, son époux, ses parents ou ses enfants peuvent "
        "obtenir une copie intégrale [2].",
    ),
    ("leave", "La formation est assurée par une auto-école agréée [3]."),
    (
        "grant",
        "L'aide est réservée aux personnes seules dont les ressources ne dépassent pas 9 "
        "000 € [1].",
    ),
    ("grant", "Le centre communal d'action sociale vous répond sous 15 jours [1]."),
    ("grant", "Le tarif n'est pas réglementé : « chaque centre fixe ses tarifs » [3]."),
    ("building", "Pour une surface inférieure, une déclaration préalable de travaux suffit [1]."),
    ("building", "Le chèque est valable jusqu'au 31/03/2027 [2]."),
]

ALTERED = [
    (
        "vehicle",
        "Vous avez deux mois après votre déménagement pour déclarer votre nouvelle adresse [1].",
    ),
    ("vehicle", "La démarche se fait en ligne ou en préfecture [1]."),
    ("vehicle", "La démarche peut être effectuée en préfecture [1]."),
    ("vehicle", "Vous risquez une amende de 90 € si vous ne respectez pas ce délai [1]."),
    ("vehicle", "Vous ne risquez pas d'amende si vous respectez le délai de 135 jours [1]."),
    ("vehicle", "Après le 3e changement d'adresse, un nouveau certificat vous est remis [1]."),
    ("vehicle", "L'envoi de l'étiquette coûte 135 € [1]."),
    ("vehicle", "Il faut un justificatif de domicile de moins de 3 mois [1]."),
    ("vehicle", "Il faut fournir l'original du permis de conduire du conjoint [1]."),
    ("vehicle", "Le certificat d'immatriculation doit être rendu au garage agréé [1]."),
    ("vehicle", "Toute personne mineure peut demander son acte de naissance [2]."),
    ("vehicle", "La demande d'acte de naissance coûte 10 € [2]."),
    ("vehicle", "La demande d'acte de naissance est payante [2]."),
    ("vehicle", "La demande n'est pas gratuite [2]."),
    (
        "vehicle",
        "Si vous êtes né à l'étranger, adressez-vous à la mairie de votre lieu de naissance [2].",
    ),
    (
        "vehicle",
        "Si la naissance a eu lieu en France, la demande est à faire auprès du service central "
        "d'état civil de Nantes [2].",
    ),
    (
        "vehicle",
        "L'extrait sans filiation est délivré à toute personne, qui doit justifier sa demande [2].",
    ),
    ("vehicle", "Une copie intégrale peut être obtenue par toute personne [2]."),
    ("vehicle", "L'extrait avec filiation est délivré à toute personne [2]."),
    ("vehicle", "Le délai de réponse varie de 3 à 5 jours [2]."),
    ("vehicle", "La décision de refus n'a pas à être motivée [3]."),
    (
        "vehicle",
        "Vous pouvez saisir le tribunal judiciaire dans les 2 mois qui suivent la notification "
        "du refus [3].",
    ),
    (
        "vehicle",
        "Vous pouvez saisir le tribunal administratif dans les 4 mois qui suivent la "
        "notification du refus [3].",
    ),
    ("vehicle", "Le recours suspend l'exécution de la décision [3]."),
    ("vehicle", "L'avocat est obligatoire devant le tribunal administratif [3]."),
    (
        "vehicle",
        "Vous pouvez saisir le préfet dans les 2 mois qui suivent la notification du refus [3].",
    ),
    ("vehicle", "Le maire doit motiver la décision de refus [3]."),
    ("vehicle", "Le bénéficiaire doit avoir au moins 18 ans [4]."),
    ("vehicle", "Le bénéficiaire doit avoir au plus 25 ans [4]."),
    ("vehicle", "Le montant est de 911,63 € pour une personne seule [4]."),
    ("vehicle", "Un couple sans enfant perçoit 607,75 € [4]."),
    ("vehicle", "Le montant forfaitaire est de 607,75 € pour un couple avec enfant [4]."),
    ("vehicle", "La demande est à déposer auprès de la mairie [4]."),
    ("vehicle", "La demande est à déposer auprès de Pôle emploi [4]."),
    ("vehicle", "L'allocation est versée chaque semaine [4]."),
    ("vehicle", "Toute modification de situation est à signaler dans un délai de 15 mois [4]."),
    ("vehicle", "L'allocation est versée chaque année à terme échu [4]."),
    ("vehicle", "Une condition d'âge est exigée pour la personne enceinte [4]."),
    ("vehicle", "Le bénéficiaire doit avoir au moins 25 ans et être de nationalité française [4]."),
    ("vehicle", "La demande est gratuite et le délai est de 607,75 jours [2]."),
    (
        "leave",
        "Le congé de maternité débute 10 semaines avant la date présumée de l'accouchement [1].",
    ),
    (
        "leave",
        "Le congé de maternité débute 6 semaines après la date présumée de l'accouchement [1].",
    ),
    ("leave", "Le congé se termine 6 semaines après l'accouchement [1]."),
    ("leave", "À partir du deuxième enfant, la durée totale est portée à 26 semaines [1]."),
    ("leave", "Vous devez avertir votre employeur par courriel [1]."),
    ("leave", "Vous devez avertir la CPAM par lettre recommandée avec avis de réception [1]."),
    ("leave", "L'employeur peut rompre le contrat pendant le congé [1]."),
    ("leave", "Le salarié ne peut pas rompre le contrat pendant le congé [1]."),
    ("leave", "Les indemnités journalières sont versées par l'employeur tous les 14 jours [1]."),
    ("leave", "Les indemnités journalières sont versées par la CPAM tous les 14 mois [1]."),
    ("leave", "Leur montant minimum est de 89,03 € par jour [1]."),
    ("leave", "Leur montant maximum est de 89,03 € par mois [1]."),
    (
        "leave",
        "Le dépôt de garantie peut dépasser un mois de loyer hors charges pour un logement vide "
        "[2].",
    ),
    (
        "leave",
        "Pour un logement vide, le dépôt de garantie est limité à 2 mois de loyer hors charges "
        "[2].",
    ),
    ("leave", "Pour un logement meublé, le dépôt est limité à un mois de loyer hors charges [2]."),
    ("leave", "Le locataire doit restituer le dépôt dans un délai d'un mois [2]."),
    ("leave", "Le propriétaire doit restituer le dépôt dans un délai de 10 mois [2]."),
    ("leave", "En cas de retard, la somme est majorée de 20 % du loyer mensuel [2]."),
    (
        "leave",
        "Le locataire doit payer pour saisir la commission de conciliation avant d'aller devant "
        "le juge [2].",
    ),
    ("leave", "Le propriétaire peut saisir gratuitement la commission de conciliation [2]."),
    (
        "leave",
        "Le dépôt de garantie est encaissé par la Caisse des dépôts pendant la durée du bail [2].",
    ),
    ("leave", "Pour conduire un cyclomoteur, il faut avoir au moins 16 ans [3]."),
    ("leave", "Il faut être titulaire du permis B pour conduire un cyclomoteur [3]."),
    ("leave", "La formation dure au maximum 8 heures [3]."),
    ("leave", "La formation dure 8 jours [3]."),
    (
        "leave",
        "Les personnes nées après le 1er janvier 1988 peuvent conduire un cyclomoteur sans "
        "permis [3].",
    ),
    (
        "leave",
        "Les personnes nées avant le 1er janvier 1978 peuvent conduire un cyclomoteur sans "
        "permis [3].",
    ),
    ("leave", "Le port d'un casque homologué et de gants n'est pas obligatoire [3]."),
    ("leave", "Le port de gants est facultatif [3]."),
    ("leave", "Le non-port du casque est puni d'une amende de 3 € [3]."),
    (
        "leave",
        "Le non-port du casque est puni d'une amende de 135 € et d'un retrait de 6 points [3].",
    ),
    ("leave", "Le non-port des gants est puni d'une peine de prison [3]."),
    ("leave", "Vous pouvez vous pacser à la préfecture ou chez un notaire [4]."),
    ("leave", "L'enregistrement chez le notaire est gratuit [4]."),
    ("leave", "En mairie, il faut compter 84,14 € d'émoluments [4]."),
    ("leave", "L'enregistrement en mairie n'est pas gratuit [4]."),
    ("leave", "Acte de naissance de moins de 6 mois pour le Français né en France [4]."),
    ("leave", "Acte de naissance de moins de 3 mois pour l'étranger né en France [4]."),
    ("leave", "Le Pacs est opposable aux tiers à la date de son enregistrement [4]."),
    ("leave", "La déclaration conjointe se fait sur le formulaire cerfa n° 15726*03 [4]."),
    ("grant", "L'aide est accordée si vos ressources ne dépassent pas 19 000 € [1]."),
    ("grant", "L'aide est accordée si vos ressources dépassent 9 000 € [1]."),
    ("grant", "L'aide est cumulable avec la bourse sur critères sociaux [1]."),
    ("grant", "La demande se fait auprès du CROUS au moins 1 mois avant la rentrée [1]."),
    ("grant", "La demande se fait au CCAS au moins 1 mois après la rentrée [1]."),
    ("grant", "L'absence de réponse vaut accord [1]."),
    ("grant", "Le CCAS répond dans les 9 jours [1]."),
    ("grant", "Il faut joindre le dernier avis d'imposition et un acte de naissance [1]."),
    (
        "grant",
        "Vous pouvez résilier votre assurance habitation à tout moment avant 1 an de contrat [2].",
    ),
    (
        "grant",
        "Vous pouvez résilier votre assurance automobile à tout moment après 1 an de contrat [2].",
    ),
    ("grant", "La résiliation après 1 an de contrat entraîne des frais et une pénalité [2]."),
    ("grant", "Le locataire doit rembourser la cotisation dans les 30 jours [2]."),
    ("grant", "Le propriétaire occupant est obligé d'assurer son logement [2]."),
    ("grant", "Le locataire n'est pas obligé d'assurer son logement [2]."),
    ("grant", "En cas de déménagement, la résiliation doit être demandée dans les 30 jours [2]."),
    ("grant", "Le contrôle technique est obligatoire pour les voitures de moins de 4 ans [3]."),
    ("grant", "Le contrôle technique est obligatoire pour les motos de plus de 4 ans [3]."),
    ("grant", "Il doit être renouvelé tous les 4 ans [3]."),
    (
        "grant",
        "En cas de défaillance mineure, une contre-visite est à réaliser dans les 2 mois [3].",
    ),
    ("grant", "Les véhicules de collection immatriculés après 1960 en sont dispensés [3]."),
    ("grant", "Les véhicules de collection sont soumis au contrôle technique [3]."),
    ("grant", "L'État fixe les tarifs de chaque centre [3]."),
    ("grant", "Rouler sans contrôle technique valide expose à un retrait de permis [3]."),
    ("grant", "Rouler avec un contrôle technique valide expose à une amende de 135 € [3]."),
    (
        "building",
        "Un permis de construire est nécessaire pour toute construction de plus de 40 m² [1].",
    ),
    (
        "building",
        "Le permis de construire est facultatif pour une construction de plus de 20 m² [1].",
    ),
    (
        "building",
        "Le permis de construire est obligatoire pour une construction de moins de 20 m² [1].",
    ),
    ("building", "Envoyez votre dossier à la préfecture en 4 exemplaires [1]."),
    (
        "building",
        "La mairie a 3 mois pour instruire une demande concernant une maison individuelle [1].",
    ),
    ("building", "Le permis est valable 2 ans [1]."),
    ("building", "Il peut être prolongé trois fois pour une durée d'un an [1]."),
    (
        "building",
        "Le recours à un architecte est obligatoire si la surface de plancher ne dépasse pas 150"
        " m² [1].",
    ),
    ("building", "Le recours à un notaire n'est pas obligatoire [1]."),
    ("building", "Le permis de démolir est valable 3 ans [1]."),
    (
        "building",
        "Le chèque énergie est envoyé automatiquement par courriel aux foyers éligibles [2].",
    ),
    ("building", "Le chèque énergie est envoyé sur demande aux foyers éligibles [2]."),
    ("building", "Une démarche est à accomplir [2]."),
    ("building", "Son montant varie de 48 € à 377 € [2]."),
    ("building", "Il permet de régler les factures d'eau [2]."),
    ("building", "Il peut être encaissé auprès d'une banque [2]."),
    ("building", "Le chèque est utilisable jusqu'au 31 mars 2026 [2]."),
    ("building", "Le chèque est utilisable à partir du 31 mars 2027 [2]."),
    ("building", "En cas de perte, il faut contacter le service d'assistance [2]."),
    ("building", "En cas de vol, il faut contacter le service d'assistance au 0 805 204 806 [2]."),
    ("building", "En cas de vol, il faut contacter la gendarmerie [2]."),
    ("building", "Le chèque énergie est versé aux foyers éligibles au mois de mai [2]."),
]


def status(sheets: str, sentence: str) -> str:
    spans = split_sentences(sentence)
    assert len(spans) == 1
    return check_answer(sentence, spans, SHEETS[sheets])[0].status


@pytest.mark.parametrize(("sheets", "sentence"), FAITHFUL)
def test_faithful(sheets: str, sentence: str) -> None:
    assert status(sheets, sentence) == "supported"


@pytest.mark.parametrize(("sheets", "sentence"), ALTERED + TOO_FREE)
def test_not_supported(sheets: str, sentence: str) -> None:
    assert status(sheets, sentence) != "supported"


def test_most_faithful_sentences_pass() -> None:
    assert len(FAITHFUL) / (len(FAITHFUL) + len(TOO_FREE)) > 0.8
