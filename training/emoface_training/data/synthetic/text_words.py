"""Vocabulary of the sentence generator, split in two: the test words never occur in training sentences.

Chosen for the face rather than for sense: every consonant at the start, in the middle and at the end of words, many
bilabials and labiodentals, every vowel, and short as well as long words.
"""

TRAIN = {
    "name": (
        "Paul Mabel Bob Fiona Victor Martha George Shirley Charles Judy Thomas Ruth Peter Wendy Kevin Zoe Hugo "
        "Iris Oliver Ursula Edward Amy Daniel Grace Leo Nora Simon Vera Philip Bridget"
    ),
    "person": (
        "baker farmer mother father doctor teacher driver painter shopkeeper plumber waiter pilot judge fisherman "
        "king queen brother sister neighbour captain gardener butcher sailor child boy girl uncle guard chef poet"
    ),
    "noun": (
        "map boat apple river window garden hammer bottle bucket feather ladder mirror paper pepper pillow ribbon "
        "shovel table umbrella village wagon yoghurt zebra chair church bridge judge badge garage measure "
        "treasure television thumb bath tooth feather path cloth breath song ring wing king long-boat book cook "
        "foot bush sugar moon spoon shoe fruit juice boot coin toy oil cow house mouse cloud town bird nurse "
        "shirt earth purple-cup glove wave leaf knife roof cave valley cliff stone rope smoke road ball wall hawk "
        "law dog rock box clock pot lamp hand cat bag map lamb comb drum plum bomb ham game name team dream time "
        "crime film farm storm poem problem album cup shop soup jeep pipe ship lip sheep jump lamp pump web cab "
        "tub cube club bulb robe baby hobby rabbit cabin puppy puppet purse parcel palace piano puzzle banana "
        "bamboo butterfly melon mountain market music motor fever fiddle finger forest furnace vase vest violin "
        "van voice volume whistle winter wheel yard year yellow-bird"
    ),
    "food": "bread butter cheese pie beef fish soup rice jam honey toast pasta beans plums mushrooms waffles porridge",
    "adjective": (
        "big small blue purple yellow green brown happy heavy empty broken wooden famous violent brave safe rough "
        "smooth thick thin warm cheap fresh shiny strange jealous huge usual vague foolish feeble fluffy bumpy "
        "bubbly simple noble humble double curious furious precious cautious loud proud round quiet quick young "
        "old cold golden bold soft tall short warm poor pure cool blind kind white bright light tiny silver "
        "clever marvellous wonderful"
    ),
    "verb": (  # third person singular, takes an object
        "buys moves paints opens closes finds brings throws watches follows carries pushes pulls breaks fixes measures "
        "borrows forgets remembers imagines prefers believes describes removes improves covers visits chooses uses "
        "touches teaches judges changes shows makes bakes takes keeps hides holds folds sells wraps drops grabs"
    ),
    "infinitive": (
        "buy move paint open close find bring throw watch follow carry push pull break fix measure borrow forget "
        "remember imagine prefer describe remove improve cover visit choose use touch teach change show make bake "
        "take keep hide hold fold sell wrap drop grab"
    ),
    "place": (
        "market harbour beach village school office station theatre museum factory library kitchen cellar meadow "
        "farm hospital airport bakery church castle valley island pub mill"
    ),
    "time": "today tomorrow tonight yesterday on-Monday in-May in-February by-noon at-five before-lunch after-supper",
    "adverb": "slowly quickly happily bravely carefully quietly maybe probably usually finally suddenly very-well",
    "number": "two three four five seven eight nine ten eleven twelve twenty thirty forty fifty",
}

TEST = {
    "name": "Barbara Patrick Melvin Fred Vivian Joshua Wilma Gordon Chloe Heather Louise Roy",
    "person": "miner soldier lawyer postman builder singer priest dancer nephew tailor barber widow beggar shepherd",
    "noun": (
        "pebble bubble marble apron napkin basket pocket magnet camel muffin puffin velvet oven shovelful weaver "
        "thimble thunder feathered-hat author gypsy engine magic pigeon vision pleasure beige-coat cushion ocean "
        "shadow chicken kettle ticket yacht yolk whale wheat wolf wood hook zoom-lens goose flute toad goat globe "
        "ghost joint boil owl fowl shower burger furs turtle pearl steam beam broom gum palm limb tomb chimp "
        "stamp shrimp tape cape rib crab scrub sofa sniff cough staff stove nerve curve olive mauve-scarf"
    ),
    "food": "bacon parsnips marmalade mutton veal coffee flapjack sherbet pudding",
    "adjective": (
        "bitter pale plump blunt modern famished faithful vivid fancy foggy woven shallow joyful chilly thirsty "
        "sulky gloomy woolly oily noisy crowded dusty early earnest plain pompous bushy"
    ),
    "verb": "boils polishes whittles whispers mumbles bumps moulds tempts shoves stuffs sniffs pours loathes enjoys "
    "barters chews wipes stabs",
    "infinitive": "boil polish whittle whisper mumble bump mould tempt shove stuff sniff pour loathe enjoy chew wipe",
    "place": "pavement basement fairground vineyard barn chapel prison tavern swamp jungle fort abbey",
    "time": "in-November in-April every-Wednesday in-autumn at-midnight after-breakfast each-week",
    "adverb": "awkwardly boldly firmly warmly vaguely mostly perhaps forever joyfully",
    "number": "six sixteen sixteen-hundred sixty ninety seventeen",
}

# Only function words outside the slots, so that a template favours neither vocabulary.
TEMPLATES = (
    "The {adjective} {person} {verb} the {noun}.",
    "{name} {verb} a {adjective} {noun} {time}.",
    "{name} and {name} {infinitive} {number} {noun}s by the {place}.",
    "Did the {person} {infinitive} my {adjective} {noun}?",
    "We may {infinitive} the {noun} of the {person}.",
    "They {adverb} {infinitive} {food} and {food}.",
    "Is that your {noun}, or is it the {adjective} {noun} of {name}?",
    "Why would a {person} {infinitive} this {noun} {time}?",
    "{name}, you {infinitive} it {adverb}.",
    "It was {adjective} and {adjective}, but the {noun} was {adjective}.",
    "Of all the {noun}s at the {place}, {name} {verb} just one.",
    "Both of them were with the {person} from the {place}.",
    "If you {infinitive} the {noun}, I will {infinitive} the {noun}.",
    "{food}, {food}, {food}; and then {number} {noun}s!",
    "Have you ever been to the {place} with {name}?",
    "There is a {noun} for {name} above the {noun}.",
    "{time}, the {person} {verb} {food} for the {person}.",
    "Oh, what a {adjective} {noun}!",
    "Her {noun} is {adjective}. His {noun} is {adjective}.",
    "No, we have {number} {noun}s. You have {number}.",
)

# Statements of the emotional mirror: plain, speakable in every emotion, spelt from the training vocabulary.
STATEMENTS = (
    "The children watch the boat by the river.",
    "My brother keeps a map of the village.",
    "The baker opens the window of the shop.",
    "Two dogs were by the garden wall.",
    "We found the puppy above the market.",
    "Maybe the farmer will move the table.",
    "Everybody was at the harbour by noon.",
    "The old chair was at the house of my father.",
    "You have five purple apples for the teacher.",
    "Bob and Mabel bring the paper to the office.",
    "The captain will show you the bridge.",
    "Four birds were on the roof of the church.",
    "The music was for the queen of the island.",
    "Victor will change the shape of the box.",
    "My mother bakes a plum pie on Monday.",
    "The judge would choose the very small room.",
    "They push the wagon up to the mill.",
    "The young driver is with the nurse.",
    "Jam and butter are both on the bread.",
    "Fiona moves a heavy bag to the farm.",
    "We cook fish for the whole village.",
    "The wave came up to the white house.",
    "Oliver took the purple vase to the museum.",
    "Please give the book of songs to the boy.",
)
