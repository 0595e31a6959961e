"""What the files of a new community say, sample by sample, and the placeholder artwork of its podcast.

Words in braces are filled in by `scaffold`: as TOML in what goes into the settings, as they are in the sample files.
"""

from __future__ import annotations

from io import BytesIO

GITIGNORE = """\
# What is made from the rest, and what is nobody else's business.
public/
.amplify/
subscribers*.csv
"""

COMMUNITY = """\
#:schema .amplify/amplify.schema.json

# Who you are, and where your words go. Change anything here with any text editor.
# A line that begins with # is a note: it does nothing.

[community]
name = {name}
url = {url}    # the address of your website; change it once you have one
language = "en-GB"
timezone = {timezone}    # every time in your files is on this clock
contact = {contact}    # where people reach you
purpose = ""    # one sentence: who you are, for whom
hashtags = []    # like ["OurCommunity"]
accent = "#0b6e6e"    # the colour of links and buttons

# What do you want to see happen? Take the # away and say it.
# [[community.goal]]
# text = "Ten people who never wrote for us before, every term"
# measure = "new_contributors"
# target = 10
# per = "term"
"""

NEWSLETTER = """\
[newsletter]
title = {title}
from = {sender}    # the name and address that readers see
reply_to = {reply_to}    # where their answers go
postal_address = ""    # printed at the foot; the law of many countries asks for one
"""

PODCAST = """\
[podcast]
title = {title}
author = {title}
description = {description}
category = "Education"
explicit = false
artwork = "assets/artwork.jpg"    # a placeholder: put your own there, square, at least 1400 pixels
# Podcast directories write to the owner to know that the podcast is yours. Everybody can read this address.
# owner = {{ name = "Your name", email = "podcast@example.org" }}
"""

WEBSITE = """\
# Your website: Amplify keeps this folder the same as what you have written.
[[channel]]
name = "website"
plugin = "folder"
path = "public"
"""

MAIL = """\
# Your newsletter by mail. "outbox:" means that nothing leaves this computer:
# each mail is put into the folder .amplify/outbox, where you can open it and look at it.
[[channel]]
name = "newsletter"
plugin = "email"
server = "outbox:"
publishes = ["edition"]
"""

PUBLISH = """\
[publish]
announce_within = "7 days"    # what is older than this and was never sent is for the archive, not news
# quiet = ["2030-12-20/2031-01-03"]    # days on which nothing new is announced
"""

EPISODES = """\
Recordings go into this folder, each with a small text file of the same name beside it.
For the recording first-words.mp3 that is first-words.md, and it begins like this:

---
title: Our first words
date: 2030-01-31 07:00      # goes online with the first publish after this
draft: true                 # take this line away when it may go
summary: Two of us on how it began, and what we would do again.
audio: first-words.mp3
people:
  - name: Sam Sample
    role: host
---
What listeners want to read besides: links, names, thanks.

File names are their addresses: small letters, digits and hyphens. Nothing in this file is ever published.
"""

EDITION = """\
---
id: {edition_id}                  # leave this line alone
title: {title}    # the heading of the page and of the mail
date: {today}                # goes with the first publish after this; a time may follow, like {today} 20:00
draft: true                     # take this line away when it may go
subject: {subject}    # the subject of the mail
preheader: A question for you, a small triumph, and a date for your diary    # what a mailbox shows beside the subject
summary: A sample of what a letter can hold, to look at, to change and to throw away.    # for the archive and for feeds
---
Dear all,

This is a sample. Nobody gets it while the line `draft: true` is there. Change whatever you like, look at it with
`amplify preview`, and when {month} has enough in it to be worth a letter, write your own.

These are *your own words*, between the headings. A line that begins with two colons brings in something from another
file: what a member wrote, a meeting, an episode.

Warmly,
*the organisers*

## You asked

::contribution[sample-question]         question, by Sam; these words at the end are for you and are never printed

If you have an answer, reply to this letter.

## Well done

::contribution[sample-celebration]      celebration, from Alex

## Meet

Bring a friend who has not been before.

::event[sample-meeting]                 {meeting_words}, 8 pm

## The diary

::events[{today}/{until}]

::feedback[]

::end

Below the line ::end nothing leaves: keep notes here, and what came too late.
When you have an episode, a line with ::episode[its-file-name] brings it in.
"""

QUESTION = """\
---
id: {question_id}
title: "A sample question: how do you begin a lesson?"
kind: question
author: sam-sample
date: {today}
licence: CC BY 4.0
consent:
  name: true
---
This is a sample of what a member sends you. It is online only while an edition that is online brings it in.

I have tried *silence*, a riddle on the board, and a biscuit for whoever is first. What do you do in the first three minutes?
"""

CELEBRATION = """\
---
id: {thanks_id}
title: "A sample celebration: twelve out of twelve"
kind: celebration
author: Alex Example
date: {today}
licence: CC BY 4.0
consent:
  name: true
---
This is a sample as well. **Twelve learners** began in September and twelve are still here. Somebody should say so, and a
newsletter is a good place for it.
"""

EVENT = """\
---
id: {event_id}
title: A sample meeting
kind: meeting
start: {meeting} 20:00
duration: 1 hour
place: The staff room, or wherever the kettle is
hosts: [sam-sample]
theme: The first three minutes of a lesson
---
This is a sample. Change it into your next meeting, or delete this file and the two places in the sample edition that name it.
"""

MEMBER = """\
---
name: Sam Sample
pronouns: they/them
role: a sample member
credit: named        # or: first name, or: anonymous
---
Sam does not exist. Each person who agreed to be listed has a small file like this one.
"""


def artwork() -> bytes:
    """Placeholder artwork for a podcast (F26): the sound of a voice, drawn; the same bytes each time."""
    from PIL import Image, ImageDraw

    size, smooth = 1400, 2
    image = Image.new("RGB", (size * smooth, size * smooth), "#0b6e6e")
    draw = ImageDraw.Draw(image)
    middle = size * smooth // 2
    for radius, colour in ((560, "#2a8080"), (470, "#fbfaf7")):
        reach = radius * smooth
        draw.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=colour)
    for place, height in enumerate((60, 130, 240, 170, 290, 170, 240, 130, 60), start=-4):
        x, half, tall = middle + place * 84 * smooth, 21 * smooth, height * smooth
        draw.rounded_rectangle((x - half, middle - tall, x + half, middle + tall), radius=half, fill="#0b6e6e")
    bytes_ = BytesIO()
    image.resize((size, size), Image.Resampling.LANCZOS).save(bytes_, "JPEG", quality=85, dpi=(72, 72), optimize=True)
    return bytes_.getvalue()
