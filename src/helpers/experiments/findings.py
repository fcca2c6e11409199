"""The README's table of findings: one line a notebook, each made by the notebook's own module.

`python -m helpers.experiments.findings` prints it; a test keeps the README in step.
"""

from helpers.experiments import the_2018_script as script_2018
from helpers.experiments.how_big_is_the_gallery import words as gallery_size_words
from helpers.experiments.how_good_is_the_photo import words as photo_quality_words
from helpers.experiments.the_congress_test import words as headline
from helpers.experiments.what_gender_does_it_see import words as gender_audit_words
from helpers.experiments.what_is_80_percent import words as thresholds_words
from helpers.experiments.what_the_officer_sees import words as candidate_lists_words
from helpers.experiments.which_model import words as specification_words
from helpers.experiments.who_is_in_the_gallery import words as composition_words
from helpers.experiments.who_is_misidentified import words as who_words

NOTEBOOKS = {
    "02-the-congress-test": headline,
    "03-what-is-80-percent": thresholds_words,
    "04-who-is-misidentified": who_words,
    "05-who-is-in-the-gallery": composition_words,
    "06-how-big-is-the-gallery": gallery_size_words,
    "07-which-model": specification_words,
    "08-how-good-is-the-photo": photo_quality_words,
    "09-what-the-officer-sees": candidate_lists_words,
    "11-the-2018-script": script_2018,
    "12-what-gender-does-it-see": gender_audit_words,
}


def table() -> str:
    """The findings as a Markdown table: notebook and one or two sentences with intervals."""
    lines = ["| notebook | finding |", "|---|---|"]
    for name, module in NOTEBOOKS.items():
        question = name[3:].replace("-", " ").capitalize()
        text = module.finding().replace("|", "\\|")
        lines.append(f"| [{name[:2]} {question}](notebooks/{name}.ipynb) | {text} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
