"""What the flags of a row and the words of an evaluation mean, in a line each, for readers of a page."""

from __future__ import annotations

FLAGS = {
    "role_order": "User and assistant do not take turns.",
    "speaker_not_judged": "The model judges the messages of one speaker only; those of the other were context.",
    "category_not_asked": "A category needs documents or tools that the record does not have, and was not asked about.",
    "marker_in_content": "A message imitates the structure of the prompt, as attacks on a guard do.",
    "windowed": "A message was too long and was scored in overlapping pieces.",
    "invalid_unicode": "The text was not valid Unicode and was repaired.",
    "unread_text": "The record has text that was not judged.",
    "unknown_speaker": "A line of a transcript seems to begin the turn of somebody unknown.",
    "reasoning": "The message was judged together with what the model thought before it.",
    "low_mass": "The model did not answer with a verdict.",
    "near_threshold": "The score is so near to the threshold that another batch could change the verdict.",
    "categories_not_read": "The categories were not read: the row was safe when judged, or the model names none.",
    "forced": "An answer that was not a verdict counts as one, because the run allowed it.",
    "tolerance_unknown": "It is unknown whether another batch could change the verdict.",
}

# By the headings and the first cells of tables.
TERMS = {
    "AUPRC": "Area under the precision-recall curve: how well scores rank unsafe records above safe ones. 1 is "
    "perfect; the share of unsafe records is what guessing reaches.",
    "AUROC": "The chance that an unsafe record scores higher than a safe one. 1 is perfect, 0.5 is guessing.",
    "F1": "The harmonic mean of precision and recall at the threshold. 1 is perfect.",
    "precision": "Of the flagged records, the share that is unsafe.",
    "recall": "Of the unsafe records, the share that is flagged.",
    "false positive rate": "Of the safe records, the share that is flagged.",
    "FPR": "The false positive rate.",
    "turns when it should": "Of the verdicts that a changed policy makes wrong, the share that turns. 1 follows the "
    "policy; 0 knows its categories by heart.",
    "stays when it should": "Of the verdicts that stay right under a changed policy, the share that stays.",
    "calibration error": "The mean distance between a score and the share of unsafe records with that score. 0 is "
    "perfect.",
    "log-loss": "How far scores are from the labels, and sure mistakes count most. 0 is perfect.",
    "TP": "True positives: unsafe records that are flagged.",
    "TN": "True negatives: safe records that are not flagged.",
    "FN": "False negatives: unsafe records that are not flagged.",
    "FP": "False positives: safe records that are flagged.",
    "not judged": "Records without a verdict.",
    "threshold": "The score from which a record is flagged as unsafe.",
    "tokens evaluated": "The tokens that the model read; what prompts share is read once.",
    "one vs all": "The unsafe records of a category against all others.",
    "one vs benign": "The unsafe records of a category against the safe ones only.",
    "macro": "The mean over the categories, each of which counts the same.",
    "micro": "Of the records of all categories together, so that frequent categories count more.",
    "listed": "Beside a category, the share of its records for which the system lists it; beside a record, the "
    "categories that the system lists.",
    "p": "How likely a difference of this size is by chance, if the systems are alike.",
    "McNemar": "A test of the verdicts that only one of two systems has right.",
    "own removed": "The policy without the categories that the record violates.",
    "own allowed": "The policy with descriptions of these categories that allow such messages.",
    "inverted": "A policy of these categories only, which says that everything else is unsafe.",
    "inverted, safe records": "The same for safe records, and one category.",
    "off-topic": "A policy of harmless topics that the records do not mention.",
    "another removed": "The policy without a category that the record does not violate.",
    "half dropped and shuffled": "The policy without half of those categories, in another order.",
    "shuffled": "The policy with its categories in another order.",
    "renumbered": "The policy with other ids for its categories, in another order.",
}
