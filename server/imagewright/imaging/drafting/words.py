"""The words of a prompt that steer a draft. Plain data: add to it freely."""

from __future__ import annotations

SCENE_WORDS: dict[str, str] = {
    "sea": """
        sea ocean beach coast shore island islands boat ship sail sailing harbour harbor port bay water lake
        river wave waves surf lighthouse fish whale dolphin swim diver pier mermaid
    """,
    "mountains": """
        mountain mountains peak peaks alps summit ridge valley cliff canyon volcano glacier climb climber hiker
        trail dragon eagle snow himalaya fjord
    """,
    "hills": """
        hill hills field fields meadow farm countryside village country road barn sheep cow horse dog cat fox
        rabbit bird park picnic vineyard landscape house cottage windmill tree
    """,
    "woods": """
        forest wood woods trees pine pines fir jungle woodland bear deer wolf owl cabin path mist fog fairy
        mushroom camp camping redwood grove
    """,
    "dunes": """
        desert dune dunes sand sahara camel oasis pyramid mars arid savanna savannah lion elephant egypt
    """,
    "city": """
        city town street skyline urban building buildings tower towers skyscraper skyscrapers architecture
        downtown car cars traffic neon cyberpunk office metropolis tokyo london paris york bridge train robot
    """,
    "cosmos": """
        space planet planets galaxy galaxies cosmos universe astronaut rocket spaceship stars nebula comet orbit
        alien moon saturn jupiter satellite
    """,
    "table": """
        food fruit fruits table kitchen cup coffee tea mug bowl plate jug vase bottle wine bread cake soup
        breakfast dinner product ceramic pottery still apple orange lemon burger pizza restaurant cafe chef
        perfume watch shoe sneaker headphones packaging
    """,
    "plant": """
        flower flowers plant plants garden leaf leaves botanical botanic blossom bloom rose tulip sunflower
        orchid fern herb herbs bouquet bee butterfly floral succulent cactus
    """,
    "portrait": """
        portrait person people man woman girl boy child face headshot selfie model actor actress king queen
        musician singer dancer old young lady gentleman character hero wizard knight doctor teacher avatar
        fashion
    """,
    "pattern": """
        logo icon icons pattern abstract geometric poster typography lettering letters text banner diagram chart
        infographic wallpaper tile tiles mosaic bauhaus minimal sign label sticker flyer ui app screen
    """,
}
"""Scenes beside the words that call for them; of the scenes with most words found, the first is painted."""

PALETTE_WORDS: tuple[tuple[str, str], ...] = (
    ("night midnight dark moon moonlit star stars galaxy noir neon", "night aurora plum dusk"),
    ("sunset dusk evening twilight sundown", "dusk plum autumn dawn"),
    ("sunrise dawn morning golden", "dawn citrus autumn"),
    ("autumn fall october maple rust copper amber", "autumn desert citrus"),
    ("winter snow snowy ice icy frost cold arctic glacier", "winter night aurora"),
    ("spring summer garden green fresh meadow grass lawn", "meadow sage lagoon"),
    ("sea ocean beach water lake river underwater blue teal turquoise tropical", "lagoon dawn night dusk"),
    ("desert sand dune dunes canyon savanna clay terracotta", "desert autumn citrus"),
    ("pink rose love wedding blossom cherry pastel soft", "rose dawn winter"),
    ("purple violet plum magenta lavender", "plum dusk rose"),
    ("yellow orange lemon citrus juicy tropical", "citrus autumn desert"),
    ("black white monochrome minimal minimalist zen japanese ink sketch pencil", "ink winter sage"),
    ("aurora northern lights emerald", "aurora night"),
    ("forest wood woods jungle moss sage olive", "meadow sage aurora autumn"),
)
"""Words beside the palettes they ask for, the best first."""
