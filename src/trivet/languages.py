"""The languages that BM25 knows, and what there is for each of them."""

from __future__ import annotations

# ISO 639-1 codes and the names that Qdrant's stemmers and lists of stop words go by.
STEMMED = {
    "ar": "Arabic", "da": "Danish", "de": "German", "el": "Greek", "en": "English",
    "es": "Spanish", "fi": "Finnish", "fr": "French", "hu": "Hungarian", "hy": "Armenian",
    "it": "Italian", "nl": "Dutch", "no": "Norwegian", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sv": "Swedish", "ta": "Tamil", "tr": "Turkish",
}  # fmt: skip
STOPPED = {
    "ar": "Arabic", "az": "Azerbaijani", "bn": "Bengali", "ca": "Catalan", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "es": "Spanish", "eu": "Basque",
    "fi": "Finnish", "fr": "French", "he": "Hebrew", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "kk": "Kazakh", "ne": "Nepali", "nl": "Dutch",
    "no": "Norwegian", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sl": "Slovene",
    "sv": "Swedish", "tg": "Tajik", "tr": "Turkish", "zh": "Chinese",
}  # fmt: skip
# Their words are cut and taken as they are. They are listed so that a text in one of them is not
# taken for one in a neighbour's language and stemmed as such.
PLAIN = (
    "af", "am", "be", "bg", "cs", "cy", "et", "fa", "ga", "gl", "gu", "hi", "hr", "is", "ka", "km",
    "kn", "ko", "lo", "lt", "lv", "mk", "ml", "mn", "mr", "ms", "my", "pa", "pl", "si", "sk", "sq",
    "sr", "sw", "te", "th", "tl", "uk", "ur", "uz", "vi",
)  # fmt: skip

LANGUAGES = tuple(sorted({*STEMMED, *STOPPED, *PLAIN}))

# Decided by the documents, and none in particular.
AUTO = "auto"
NO_LANGUAGE = "none"
